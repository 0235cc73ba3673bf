// An epoll set. Unlike a uv_poll handle on each, it leaves O_NONBLOCK of the files alone, which other processes share, and
// it can wait for what comes instead of for what is there (EPOLLET). EPOLLHUP and EPOLLERR the kernel always reports,
// epoll_ctl(2).
#include <sys/epoll.h>

#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"

namespace batond {

Napi::Value epoll_create(Call info) {
  Fd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd) throw_errno(info.Env(), "epoll_create1");
  auto result = Napi::Number::New(info.Env(), fd.get());
  fd.release();
  return result;
}

Napi::Value epoll_add(Call info) {
  int fd = to_int(info[1], "fd");
  epoll_event event = {};
  event.data.fd = fd;
  if (::epoll_ctl(to_int(info[0], "epoll"), EPOLL_CTL_ADD, fd, &event) == 0) {
    return Napi::Boolean::New(info.Env(), true);
  }
  if (errno != EPERM) throw_errno(info.Env(), "epoll_ctl");
  return Napi::Boolean::New(info.Env(), false);
}

void epoll_add_arrivals(Call info) {
  int fd = to_int(info[1], "fd");
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  if (::epoll_ctl(to_int(info[0], "epoll"), EPOLL_CTL_ADD, fd, &event) == -1) throw_errno(info.Env(), "epoll_ctl");
}

void epoll_remove(Call info) {
  epoll_event ignored = {};
  if (::epoll_ctl(to_int(info[0], "epoll"), EPOLL_CTL_DEL, to_int(info[1], "fd"), &ignored) == -1) {
    throw_errno(info.Env(), "epoll_ctl");
  }
}

Napi::Value epoll_wait(Call info) {
  epoll_event events[64];
  const int epoll = to_int(info[0], "epoll");
  const int count = retry_interrupted([&] { return ::epoll_wait(epoll, events, 64, 0); });
  if (count == -1) throw_errno(info.Env(), "epoll_wait");
  auto result = Napi::Array::New(info.Env(), count);
  for (int i = 0; i < count; i++) result.Set(i, events[i].data.fd);
  return result;
}

}  // namespace batond
