// Failures of system calls as JS errors: `code` 'EMFILE', `errno` 24, `syscall` 'dup'.
#pragma once

#include <napi.h>

#include <cerrno>

namespace batond {

Napi::Error system_error(Napi::Env env, int number, const char* syscall);

// Reads `errno`: call it before anything else can change it.
[[noreturn]] void throw_errno(Napi::Env env, const char* syscall);

// The one retry that the addon allows itself: a signal handler ran before the call did anything, signal(7).
template <typename Call>
auto retry_interrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

}  // namespace batond
