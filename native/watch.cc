// One uv_poll_t on the environment's own loop, uv_poll(3): the only asynchrony of the addon.
//
// A Watch has several holders: libuv from uv_poll_init to the close callback, and each method of the JS object for as
// long as that lives. So a watcher that JS has forgotten goes on, and one that is closed stays callable.
// It ends in this order: uv_poll_stop, uv_close, the close callback, free. The descriptor is the caller's.
#include <poll.h>
#include <uv.h>

#include <memory>
#include <utility>

#include "args.h"
#include "errno.h"
#include "functions.h"
#include "poll.h"

namespace batond {

class Watch;

// A counted reference. Not std::shared_ptr, whose count would tie the binary to glibc 2.32; and since all happens on
// the thread of the environment, the count need not be atomic.
class Holder {
 public:
  Holder() = default;
  explicit Holder(Watch* watch);
  Holder(const Holder& other) : Holder(other.watch_) {}
  Holder(Holder&& other) noexcept : watch_(std::exchange(other.watch_, nullptr)) {}
  Holder& operator=(Holder other) noexcept {
    std::swap(watch_, other.watch_);
    return *this;
  }
  ~Holder();
  Watch* operator->() const { return watch_; }

 private:
  Watch* watch_ = nullptr;
};

class Watch {
 public:
  // Throws what uv_poll_init says: EEXIST for a descriptor that this loop watches already, EPERM for a file.
  static Holder open(Napi::Env env, int fd, Napi::Function callback);

  void update(Interest interest);
  void ref() {
    if (!closed_) uv_ref(base());
  }
  void unref() {
    if (!closed_) uv_unref(base());
  }
  void close();

 private:
  friend class Holder;
  Watch(Napi::Env env, int fd) : env_(env), fd_(fd) {}

  uv_handle_t* base() { return reinterpret_cast<uv_handle_t*>(&handle_); }
  static void on_poll(uv_poll_t* handle, int status, int events);
  static void on_closed(uv_handle_t* handle);
  static void on_cleanup(napi_async_cleanup_hook_handle hook, void* data);
  Ready ready(int status, int events);
  void call(int status, int events);
  void drop_js();

  Napi::Env env_;
  uv_poll_t handle_ = {};
  int fd_;
  bool closed_ = false;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  int holders_ = 0;
  Holder libuv_;
};

Holder::Holder(Watch* watch) : watch_(watch) {
  if (watch_ != nullptr) watch_->holders_++;
}

Holder::~Holder() {
  if (watch_ != nullptr && --watch_->holders_ == 0) delete watch_;
}

Holder Watch::open(Napi::Env env, int fd, Napi::Function callback) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env);
  auto* watch = new Watch(env, fd);
  Holder holder(watch);
  watch->callback_ = Napi::Persistent(callback);
  watch->context_ = std::make_unique<Napi::AsyncContext>(env, "batond.watch");
  // libuv checks the descriptor with epoll_ctl and asserts on a negative one.
  if (fd < 0) throw system_error(env, EBADF, "uv_poll_init");
  // libuv has not kept the handle where this fails, so it needs no uv_close either.
  const int status = uv_poll_init(loop, &watch->handle_, fd);
  if (status != 0) throw system_error(env, -status, "uv_poll_init");
  watch->handle_.data = watch;
  watch->libuv_ = holder;
  // A worker thread that is terminated, and a process that ends, must not free the loop with this handle in it.
  if (napi_add_async_cleanup_hook(env, on_cleanup, watch, &watch->hook_) != napi_ok) {
    watch->close();
    throw Napi::Error::New(env);
  }
  return holder;
}

void Watch::update(Interest interest) {
  if (closed_) return;
  int events = 0;
  if (interest.readable) events |= UV_READABLE;
  if (interest.writable) events |= UV_WRITABLE;
  const int status = events == 0 ? uv_poll_stop(&handle_) : uv_poll_start(&handle_, events | UV_DISCONNECT, on_poll);
  if (status != 0) throw system_error(env_, -status, "uv_poll_start");
}

void Watch::close() {
  if (closed_) return;
  closed_ = true;
  uv_poll_stop(&handle_);
  uv_close(base(), on_closed);
}

void Watch::on_closed(uv_handle_t* handle) {
  auto* watch = static_cast<Watch*>(handle->data);
  watch->drop_js();
  // Tells a waiting environment that it may go on with its end.
  if (watch->hook_ != nullptr) napi_remove_async_cleanup_hook(watch->hook_);
  // Moved out first: this may be the last holder, and then the member must not be in the midst of its assignment.
  Holder last = std::move(watch->libuv_);
}

// The environment ends. References have to go at once: it drops its own list of them before the close callback runs.
void Watch::on_cleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* watch = static_cast<Watch*>(data);
  watch->drop_js();
  watch->close();
}

// Not in close(): that may be called inside the very callback that the two are in use for.
void Watch::drop_js() {
  callback_.Reset();
  context_.reset();
}

void Watch::on_poll(uv_poll_t* handle, int status, int events) {
  static_cast<Watch*>(handle->data)->call(status, events);
}

// libuv answers POLLERR with a status of EBADF, without events, and a stopped handle. There may be something to read
// all the same, so the descriptor itself is asked.
Ready Watch::ready(int status, int events) {
  if (status == 0) return {(events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0, (events & UV_DISCONNECT) != 0};
  pollfd entry = {fd_, POLLIN | POLLOUT | POLLRDHUP, 0};
  ::poll(&entry, 1, 0);
  return to_ready(static_cast<short>(entry.revents | POLLERR));
}

// Through napi_make_callback, so that nextTick and promises run after it. What the callback throws becomes an
// uncaughtException, as for any callback of Node. An environment that is being torn down refuses to run JS, and then
// there is nobody to tell; hence statuses here, since a C++ exception would go through libuv.
void Watch::call(int status, int events) {
  Napi::HandleScope scope(env_);
  napi_value argument, result, error;
  if (callback_.IsEmpty() || ready_value(env_, ready(status, events), &argument) != napi_ok) return;
  if (napi_make_callback(env_, *context_, env_.Global(), callback_.Value(), 1, &argument, &result) == napi_ok) return;
  bool pending = false;
  if (napi_is_exception_pending(env_, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
}

Napi::Value watch(Call info) {
  Napi::Env env = info.Env();
  int fd = to_int(info[0], "fd");
  Interest interest = to_interest(info[1]);
  if (!info[2].IsFunction()) throw Napi::TypeError::New(env, "callback must be a function");
  Holder watch = Watch::open(env, fd, info[2].As<Napi::Function>());
  try {
    watch->update(interest);
    auto result = Napi::Object::New(env);
    auto method = [&](const char* name, auto body) { result.Set(name, Napi::Function::New(env, body, name)); };
    method("update", [watch](Call call) { watch->update(to_interest(call[0])); });
    method("ref", [watch](Call) { watch->ref(); });
    method("unref", [watch](Call) { watch->unref(); });
    method("close", [watch](Call) { watch->close(); });
    return result;
  } catch (...) {
    watch->close();
    throw;
  }
}

}  // namespace batond
