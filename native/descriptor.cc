// What can be done with a descriptor whatever it is of.
#include <fcntl.h>
#include <sys/file.h>
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

}  // namespace batond
