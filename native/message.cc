// sendmsg(2) and recvmsg(2) with what travels beside the bytes: descriptors and credentials, unix(7), cmsg(3).
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "address.h"
#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"

namespace batond {

// A zeroed buffer that is aligned as CMSG_FIRSTHDR wants it.
static std::vector<cmsghdr> control_buffer(size_t bytes) {
  return std::vector<cmsghdr>((bytes + sizeof(cmsghdr) - 1) / sizeof(cmsghdr));
}

// Both directions must never block the loop, whatever O_NONBLOCK says: that flag belongs to the open file
// description, which other processes share and change.
static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

static Napi::Uint8Array to_bytes(const Napi::Value& value) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    return value.As<Napi::Uint8Array>();
  }
  throw Napi::TypeError::New(value.Env(), "data must be a Uint8Array");
}

Napi::Value send(Call info) {
  Napi::Env env = info.Env();
  int fd = to_int(info[0], "fd");
  Napi::Uint8Array data = to_bytes(info[1]);
  std::vector<int> fds;
  Address to;
  if (!info[2].IsUndefined()) {
    Napi::Object options = to_object(info[2], "options");
    Napi::Value fds_value = options.Get("fds");
    Napi::Value to_value = options.Get("to");
    if (!fds_value.IsUndefined()) fds = to_ints(fds_value, "fds");
    if (!to_value.IsUndefined()) to = unix_address(env, to_string(to_value, "to"), "sendmsg");
  }

  iovec part = {data.Data(), data.ByteLength()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (to.length != 0) {
    message.msg_name = to.get();
    message.msg_namelen = to.length;
  }
  const size_t fds_bytes = fds.size() * sizeof(int);
  std::vector<cmsghdr> control = control_buffer(CMSG_SPACE(fds_bytes));
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds_bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds_bytes);
    std::memcpy(CMSG_DATA(header), fds.data(), fds_bytes);
  }
  ssize_t sent = retry_interrupted([&] { return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent == -1 && would_block()) return env.Null();
  if (sent == -1) throw_errno(env, "sendmsg");
  return Napi::Number::New(env, static_cast<double>(sent));
}

struct Ancillary {
  std::vector<Fd> fds;
  std::optional<ucred> credentials;
};

static Ancillary read_ancillary(msghdr& message) {
  Ancillary result;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_RIGHTS) {
      const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      std::vector<int> numbers(count);
      std::memcpy(numbers.data(), CMSG_DATA(header), count * sizeof(int));
      for (int number : numbers) result.fds.emplace_back(number);
    } else if (header->cmsg_type == SCM_CREDENTIALS) {
      std::memcpy(&result.credentials.emplace(), CMSG_DATA(header), sizeof(ucred));
    }
  }
  return result;
}

static Napi::Value credentials_value(Napi::Env env, const std::optional<ucred>& credentials) {
  if (!credentials) return env.Null();
  auto result = Napi::Object::New(env);
  result.Set("pid", credentials->pid);
  result.Set("uid", credentials->uid);
  result.Set("gid", credentials->gid);
  return result;
}

Napi::Value receive(Call info) {
  Napi::Env env = info.Env();
  int fd = to_int(info[0], "fd");
  const uint32_t max_bytes = to_uint(info[1], "maxBytes");
  const uint32_t max_fds = to_uint(info[2], "maxFds");

  // Not a vector: its zeroing would cost more than the call for a big buffer that gets a small message.
  std::unique_ptr<char[]> bytes(new (std::nothrow) char[max_bytes]);
  if (!bytes) throw system_error(env, ENOMEM, "recvmsg");
  // More than 253 never come in one message (SCM_MAX_FD), so a huge `maxFds` needs no huge buffer.
  const size_t control_bytes = CMSG_SPACE(std::min(max_fds, 253u) * sizeof(int)) + CMSG_SPACE(sizeof(ucred));
  std::vector<cmsghdr> control = control_buffer(control_bytes);
  iovec part = {bytes.get(), max_bytes};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control_bytes;
  ssize_t received = retry_interrupted([&] { return ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
  if (received == -1 && would_block()) return env.Null();
  if (received == -1) throw_errno(env, "recvmsg");

  // From here to the end they are owned: whatever throws while the result is built closes them.
  Ancillary ancillary = read_ancillary(message);
  bool fds_truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  // The room for credentials, and the padding after an odd count, can hold more descriptors than were asked for.
  if (ancillary.fds.size() > max_fds) {
    ancillary.fds.resize(max_fds);
    fds_truncated = true;
  }
  auto fds = Napi::Array::New(env, ancillary.fds.size());
  for (uint32_t index = 0; index < ancillary.fds.size(); index++) fds.Set(index, ancillary.fds[index].get());
  auto result = Napi::Object::New(env);
  result.Set("data", Napi::Buffer<char>::Copy(env, bytes.get(), static_cast<size_t>(received)));
  result.Set("fds", fds);
  result.Set("credentials", credentials_value(env, ancillary.credentials));
  result.Set("truncated", Napi::Boolean::New(env, (message.msg_flags & MSG_TRUNC) != 0));
  result.Set("fdsTruncated", Napi::Boolean::New(env, fds_truncated));
  for (Fd& owned : ancillary.fds) owned.release();
  return result;
}

Napi::Value peek(Call info) {
  Napi::Env env = info.Env();
  int fd = to_int(info[0], "fd");
  const uint32_t max_bytes = to_uint(info[1], "maxBytes");
  std::unique_ptr<char[]> bytes(new (std::nothrow) char[max_bytes]);
  if (!bytes) throw system_error(env, ENOMEM, "recv");
  ssize_t seen = retry_interrupted([&] { return ::recv(fd, bytes.get(), max_bytes, MSG_PEEK | MSG_DONTWAIT); });
  if (seen == -1 && would_block()) return env.Null();
  if (seen == -1) throw_errno(env, "recv");
  return Napi::Buffer<char>::Copy(env, bytes.get(), static_cast<size_t>(seen));
}

}  // namespace batond
