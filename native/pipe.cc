// Pipes whose reader looks before it takes: pipe(7), tee(2).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"

namespace batond {

// Only the end that is read does not block: the other becomes the standard output of a program, which expects one that does.
Napi::Value pipe(Call info) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) == -1) throw_errno(info.Env(), "pipe2");
  Fd from(ends[0]), to(ends[1]);
  if (::fcntl(from.get(), F_SETFL, O_NONBLOCK) == -1) throw_errno(info.Env(), "fcntl");
  auto result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, from.get());
  result.Set(1u, to.get());
  from.release();
  to.release();
  return result;
}

Napi::Value tee(Call info) {
  const int from = to_int(info[0], "from");
  const int to = to_int(info[1], "to");
  const int most = to_int(info[2], "maxBytes");
  const ssize_t count = retry_interrupted([&] { return ::tee(from, to, most, SPLICE_F_NONBLOCK); });
  if (count >= 0) return Napi::Number::New(info.Env(), static_cast<double>(count));
  if (errno != EAGAIN) throw_errno(info.Env(), "tee");
  return info.Env().Null();
}

Napi::Value pipe_size(Call info) {
  const int size = ::fcntl(to_int(info[0], "fd"), F_GETPIPE_SZ);
  if (size == -1) throw_errno(info.Env(), "fcntl");
  return Napi::Number::New(info.Env(), size);
}

void set_pipe_size(Call info) {
  if (::fcntl(to_int(info[0], "fd"), F_SETPIPE_SZ, to_int(info[1], "bytes")) == -1) throw_errno(info.Env(), "fcntl");
}

}  // namespace batond
