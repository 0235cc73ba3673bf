// How a process ended, as the contract's `ExitStatus`.
#pragma once

#include <napi.h>
#include <signal.h>

namespace batond {

// What waitid(2) fills in: si_code tells an exit from a signal.
void set_exit(Napi::Object target, const siginfo_t& info);

// A status as wait(2) returns it.
void set_exit(Napi::Object target, int status);

}  // namespace batond
