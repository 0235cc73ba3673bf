// What can be done with a descriptor whatever it is of.
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"

namespace batond {

Napi::Value dup(Call info) {
  Fd fd(::fcntl(to_int(info[0], "fd"), F_DUPFD_CLOEXEC, 0));
  if (!fd) throw_errno(info.Env(), "fcntl");
  auto result = Napi::Number::New(info.Env(), fd.get());
  fd.release();
  return result;
}

// After EINTR the descriptor is closed all the same on Linux, close(2); once more could close somebody else's.
void close(Call info) {
  if (::close(to_int(info[0], "fd")) == -1 && errno != EINTR) throw_errno(info.Env(), "close");
}

Napi::Value lock_file(Call info) {
  int fd = to_int(info[0], "fd");
  if (retry_interrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) == 0) {
    return Napi::Boolean::New(info.Env(), true);
  }
  if (errno != EWOULDBLOCK) throw_errno(info.Env(), "flock");
  return Napi::Boolean::New(info.Env(), false);
}

// F_DUPFD_QUERY of include/uapi/linux/fcntl.h (Linux 6.10), defined here because older headers lack it.
static constexpr int kDupfdQuery = 1024 + 3;

// It says 1 or 0, of open descriptors only; kcmp(2) says 0 for the same. Seccomp filters and kernels may lack both.
Napi::Value same_file(Call info) {
  const int first = to_int(info[0], "first");
  const int second = to_int(info[1], "second");
  for (int fd : {first, second}) {
    if (::fcntl(fd, F_GETFD) == -1) throw_errno(info.Env(), "fcntl");
  }
  const int answer = ::fcntl(first, kDupfdQuery, second);
  if (answer >= 0) return Napi::Boolean::New(info.Env(), answer == 1);
  const pid_t self = ::getpid();
  const long order = ::syscall(SYS_kcmp, self, self, KCMP_FILE, first, second);
  if (order >= 0) return Napi::Boolean::New(info.Env(), order == 0);
  if (errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM && errno != EACCES) throw_errno(info.Env(), "kcmp");
  return info.Env().Null();
}

}  // namespace batond
