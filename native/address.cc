#include "address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "args.h"
#include "errno.h"

namespace batond {

static constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

Address unix_address(Napi::Env env, const std::string& path, const char* syscall) {
  Address address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  un->sun_family = AF_UNIX;
  bool abstract = !path.empty() && path[0] == '\0';
  // A path needs room for its NUL; an abstract name is as long as the address says, without one.
  if (path.size() + (abstract ? 0 : 1) > sizeof un->sun_path) throw system_error(env, ENAMETOOLONG, syscall);
  // The kernel would stop at a NUL inside, and quietly mean another file.
  if (!abstract && path.find('\0') != std::string::npos) throw system_error(env, EINVAL, syscall);
  std::memcpy(un->sun_path, path.data(), path.size());
  address.length = kPathOffset + path.size() + (abstract || path.empty() ? 0 : 1);
  return address;
}

static uint16_t to_port(const Napi::Value& value, const char* syscall) {
  uint32_t port = to_uint(value, "address.port");
  if (port > UINT16_MAX) throw system_error(value.Env(), EINVAL, syscall);
  return htons(static_cast<uint16_t>(port));
}

static Address ipv4_address(const Napi::Object& value, const char* syscall) {
  Address address;
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
  in->sin_family = AF_INET;
  in->sin_port = to_port(value.Get("port"), syscall);
  std::string text = to_string(value.Get("address"), "address.address");
  if (inet_pton(AF_INET, text.c_str(), &in->sin_addr) != 1) throw system_error(value.Env(), EINVAL, syscall);
  address.length = sizeof *in;
  return address;
}

// inet_pton(3) knows no zones, and a link-local address means nothing without one: fe80::1%eth0, RFC 4007, 11.2.
static Address ipv6_address(const Napi::Object& value, const char* syscall) {
  Address address;
  auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = to_port(value.Get("port"), syscall);
  std::string text = to_string(value.Get("address"), "address.address");
  size_t percent = text.find('%');
  if (percent != std::string::npos) {
    std::string zone = text.substr(percent + 1);
    in->sin6_scope_id = if_nametoindex(zone.c_str());
    if (in->sin6_scope_id == 0) in->sin6_scope_id = static_cast<uint32_t>(std::strtoul(zone.c_str(), nullptr, 10));
    if (in->sin6_scope_id == 0) throw system_error(value.Env(), ENODEV, syscall);
    text.resize(percent);
  }
  if (inet_pton(AF_INET6, text.c_str(), &in->sin6_addr) != 1) throw system_error(value.Env(), EINVAL, syscall);
  address.length = sizeof *in;
  return address;
}

Address to_address(const Napi::Value& value, const char* syscall) {
  Napi::Object object = to_object(value, "address");
  std::string family = to_string(object.Get("family"), "address.family");
  if (family == "ipv4") return ipv4_address(object, syscall);
  if (family == "ipv6") return ipv6_address(object, syscall);
  if (family == "unix") return unix_address(value.Env(), to_string(object.Get("path"), "address.path"), syscall);
  throw Napi::TypeError::New(value.Env(), "address.family must be 'ipv4', 'ipv6' or 'unix'");
}

static std::string ip_text(const Address& address) {
  char text[INET6_ADDRSTRLEN];
  if (address.family() == AF_INET) {
    auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    return inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
  }
  auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  std::string result = inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
  char zone[IF_NAMESIZE];
  if (in->sin6_scope_id != 0 && if_indextoname(in->sin6_scope_id, zone)) result.append("%").append(zone);
  return result;
}

// The length tells the kinds apart, unix(7): nothing is unnamed, a leading NUL is abstract, the rest is a path whose
// NUL may or may not be counted.
static std::string unix_path(const Address& address) {
  if (address.length <= kPathOffset) return "";
  auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  size_t length = address.length - kPathOffset;
  return std::string(un->sun_path, un->sun_path[0] == '\0' ? length : strnlen(un->sun_path, length));
}

Napi::Value from_address(Napi::Env env, Address& address, const char* syscall) {
  auto result = Napi::Object::New(env);
  result.Set("family", family_name(env, address.family(), syscall));
  if (address.family() == AF_UNIX) {
    result.Set("path", unix_path(address));
    return result;
  }
  // The port is at the same place in both.
  auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
  result.Set("address", ip_text(address));
  result.Set("port", ntohs(in->sin_port));
  return result;
}

const char* family_name(Napi::Env env, int family, const char* syscall) {
  if (family == AF_INET) return "ipv4";
  if (family == AF_INET6) return "ipv6";
  if (family == AF_UNIX) return "unix";
  throw system_error(env, EAFNOSUPPORT, syscall);
}

}  // namespace batond
