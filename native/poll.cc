// ppoll(2) on one descriptor. It blocks the thread, for the few places that have no event loop to wait on.
#include "poll.h"

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "args.h"
#include "errno.h"
#include "functions.h"

namespace batond {

Ready to_ready(short revents) {
  return {(revents & POLLIN) != 0, (revents & POLLOUT) != 0,
          (revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)) != 0};
}

napi_status ready_value(napi_env env, Ready ready, napi_value* result) {
  napi_status status = napi_create_object(env, result);
  auto set = [&](const char* name, bool on) {
    napi_value value;
    if (status == napi_ok) status = napi_get_boolean(env, on, &value);
    if (status == napi_ok) status = napi_set_named_property(env, *result, name, value);
  };
  set("readable", ready.readable);
  set("writable", ready.writable);
  set("hangup", ready.hangup);
  return status;
}

static int64_t now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

Napi::Value poll(Call info) {
  Napi::Env env = info.Env();
  Interest interest = to_interest(info[1]);
  pollfd entry = {to_int(info[0], "fd"), POLLRDHUP, 0};
  if (interest.readable) entry.events |= POLLIN;
  if (interest.writable) entry.events |= POLLOUT;
  const int64_t timeout_ms = to_int(info[2], "timeoutMs");
  const int64_t deadline = now_ns() + timeout_ms * 1000000;

  // A negative descriptor is not polled at all, poll(2): without a limit it would wait for ever.
  if (entry.fd < 0) throw system_error(env, EBADF, "poll");
  // Unlike other calls it cannot simply be repeated after EINTR: part of the time has passed.
  int count = retry_interrupted([&] {
    if (timeout_ms < 0) return ::ppoll(&entry, 1, nullptr, nullptr);
    const int64_t left = std::max(deadline - now_ns(), INT64_C(0));
    timespec timeout = {static_cast<time_t>(left / 1000000000), static_cast<long>(left % 1000000000)};
    return ::ppoll(&entry, 1, &timeout, nullptr);
  });
  if (count == -1) throw_errno(env, "poll");
  if (count == 0) return env.Null();
  if (entry.revents & POLLNVAL) throw system_error(env, EBADF, "poll");
  napi_value result;
  if (ready_value(env, to_ready(entry.revents), &result) != napi_ok) throw Napi::Error::New(env);
  return Napi::Value(env, result);
}

}  // namespace batond
