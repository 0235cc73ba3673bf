// Attributes of this process: prctl(2), setsid(2).
#include <sys/prctl.h>
#include <unistd.h>

#include "args.h"
#include "errno.h"
#include "functions.h"

namespace batond {

// prctl(2) wants unsigned long arguments, and zeros for those that are not used.
static void call_prctl(Napi::Env env, int option, unsigned long argument) {
  if (::prctl(option, argument, 0UL, 0UL, 0UL) == -1) throw_errno(env, "prctl");
}

Napi::Value setsid(Call info) {
  pid_t session = ::setsid();
  if (session == -1) throw_errno(info.Env(), "setsid");
  return Napi::Number::New(info.Env(), session);
}

void set_process_name(Call info) {
  std::string name = to_string(info[0], "name");
  call_prctl(info.Env(), PR_SET_NAME, reinterpret_cast<unsigned long>(name.c_str()));
}

void set_subreaper(Call info) { call_prctl(info.Env(), PR_SET_CHILD_SUBREAPER, to_bool(info[0], "on")); }

void set_death_signal(Call info) {
  call_prctl(info.Env(), PR_SET_PDEATHSIG, static_cast<unsigned long>(to_int(info[0], "signal")));
}

void set_no_new_privileges(Call info) { call_prctl(info.Env(), PR_SET_NO_NEW_PRIVS, 1); }

}  // namespace batond
