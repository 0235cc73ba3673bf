// Processes by descriptor: a pidfd never comes to mean another process, as a number does. pidfd_open(2), waitid(2).
#include "pidfd.h"

#include <sys/ioctl.h>

#include <cstdint>

#include "args.h"
#include "errno.h"
#include "exit_status.h"
#include "fd.h"
#include "functions.h"

namespace batond {

Napi::Value pidfd_open(Call info) {
  Fd fd(sys_pidfd_open(to_int(info[0], "pid")));
  if (!fd && errno == ESRCH) return info.Env().Null();
  if (!fd) throw_errno(info.Env(), "pidfd_open");
  auto result = Napi::Number::New(info.Env(), fd.get());
  fd.release();
  return result;
}

Napi::Value pidfd_signal(Call info) {
  int pidfd = to_int(info[0], "pidfd");
  int signal = to_int(info[1], "signal");
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno != ESRCH) throw_errno(info.Env(), "pidfd_send_signal");
  return Napi::Boolean::New(info.Env(), false);
}

// Zeroed first: with WNOHANG, a si_pid that is still zero says that nobody has ended, waitid(2).
static siginfo_t reap(Napi::Env env, idtype_t type, id_t id) {
  siginfo_t status = {};
  if (retry_interrupted([&] { return ::waitid(type, id, &status, WEXITED | WNOHANG); }) == -1) {
    if (type != P_ALL || errno != ECHILD) throw_errno(env, "waitid");
  }
  return status;
}

Napi::Value pidfd_wait(Call info) {
  siginfo_t status = reap(info.Env(), kPidfd, static_cast<id_t>(to_int(info[0], "pidfd")));
  if (status.si_pid == 0) return info.Env().Null();
  auto result = Napi::Object::New(info.Env());
  set_exit(result, status);
  return result;
}

Napi::Value wait_any(Call info) {
  siginfo_t status = reap(info.Env(), P_ALL, 0);
  if (status.si_pid == 0) return info.Env().Null();
  auto result = Napi::Object::New(info.Env());
  result.Set("pid", status.si_pid);
  set_exit(result, status);
  return result;
}

// struct pidfd_info of include/uapi/linux/pidfd.h in its first size, which every kernel since 6.13 takes; the size is
// part of the ioctl's number. Defined here because the headers of the oldest supported systems are older.
struct Info {
  uint64_t mask;  // in: what is wanted; out: what is there
  uint64_t cgroupid;
  uint32_t pid;
  uint32_t tgid;
  uint32_t ppid;
  uint32_t ids[8];
  int32_t exit_code;
};
static_assert(sizeof(Info) == 64, "PIDFD_INFO_SIZE_VER0");

static constexpr uint64_t kInfoCgroup = 1 << 2;
static constexpr uint64_t kInfoExit = 1 << 3;
static constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, Info);

Napi::Value pidfd_info(Call info) {
  Napi::Env env = info.Env();
  int pidfd = to_int(info[0], "pidfd");
  Info answer = {};
  answer.mask = kInfoCgroup | kInfoExit;
  if (retry_interrupted([&] { return ::ioctl(pidfd, kGetInfo, &answer); }) == -1) {
    if (errno == ENOTTY || errno == EINVAL) return env.Null();
    throw_errno(env, "ioctl");
  }
  auto result = Napi::Object::New(env);
  result.Set("pid", answer.tgid);
  result.Set("parentPid", answer.ppid);
  result.Set("cgroupId", answer.mask & kInfoCgroup ? Napi::BigInt::New(env, answer.cgroupid) : env.Null());
  result.Set("exit", env.Null());
  if (answer.mask & kInfoExit) {
    auto exit = Napi::Object::New(env);
    set_exit(exit, answer.exit_code);
    result.Set("exit", exit);
  }
  return result;
}

}  // namespace batond
