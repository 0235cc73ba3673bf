#include "exit_status.h"

#include <sys/wait.h>

namespace batond {

static void set_either(Napi::Object target, bool exited, int number) {
  Napi::Env env = target.Env();
  Napi::Value value = Napi::Number::New(env, number);
  target.Set("code", exited ? value : env.Null());
  target.Set("signal", exited ? env.Null() : value);
}

void set_exit(Napi::Object target, const siginfo_t& info) {
  set_either(target, info.si_code == CLD_EXITED, info.si_status);
}

void set_exit(Napi::Object target, int status) {
  set_either(target, WIFEXITED(status), WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

}  // namespace batond
