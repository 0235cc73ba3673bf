// getrlimit(2): the names of the resources, and limits between JS and the kernel.
#pragma once

#include <napi.h>
#include <sys/resource.h>

namespace batond {

struct Limit {
  int resource;
  rlimit value;
};

// An Rlimit of the contract. `syscall` is the call that it is for, should it be refused here.
Limit to_limit(const Napi::Value& value, const char* syscall);

}  // namespace batond
