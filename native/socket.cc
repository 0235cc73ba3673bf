// Sockets are made, named and asked here; what goes through them is in message.cc.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <vector>

#include "address.h"
#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"

namespace batond {

static constexpr int kBirth = SOCK_NONBLOCK | SOCK_CLOEXEC;

static void set_option(Napi::Env env, int fd, int level, int name, int value) {
  if (::setsockopt(fd, level, name, &value, sizeof value) == -1) throw_errno(env, "setsockopt");
}

static int get_option(Napi::Env env, int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &length) == -1) throw_errno(env, "getsockopt");
  return value;
}

static Fd make_socket(Napi::Env env, int family, int type) {
  Fd fd(::socket(family, type | kBirth, 0));
  if (!fd) throw_errno(env, "socket");
  return fd;
}

Napi::Value socketpair(Call info) {
  int pair[2];
  if (::socketpair(AF_UNIX, to_socket_type(info[0]) | kBirth, 0, pair) == -1) throw_errno(info.Env(), "socketpair");
  Fd first(pair[0]), second(pair[1]);
  auto result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, first.get());
  result.Set(1u, second.get());
  first.release();
  second.release();
  return result;
}

Napi::Value unix_socket(Call info) {
  Fd fd = make_socket(info.Env(), AF_UNIX, to_socket_type(info[0]));
  auto result = Napi::Number::New(info.Env(), fd.get());
  fd.release();
  return result;
}

Napi::Value bind(Call info) {
  Napi::Env env = info.Env();
  Napi::Object options = to_object(info[0], "options");
  int type = to_socket_type(options.Get("type"));
  bool reuse_address = to_bool(options.Get("reuseAddress"), "reuseAddress");
  bool reuse_port = to_bool(options.Get("reusePort"), "reusePort");
  bool ipv6_only = to_bool(options.Get("ipv6Only"), "ipv6Only");
  Address address = to_address(options.Get("address"), "bind");

  Fd fd = make_socket(env, address.family(), type);
  if (reuse_address) set_option(env, fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (reuse_port) set_option(env, fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  // Set in both directions: the default is a sysctl, net.ipv6.bindv6only.
  if (address.family() == AF_INET6) set_option(env, fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only);
  if (::bind(fd.get(), address.get(), address.length) == -1) throw_errno(env, "bind");
  auto result = Napi::Number::New(env, fd.get());
  fd.release();
  return result;
}

void listen(Call info) {
  if (::listen(to_int(info[0], "fd"), to_int(info[1], "backlog")) == -1) throw_errno(info.Env(), "listen");
}

void connect_unix(Call info) {
  int fd = to_int(info[0], "fd");
  Address address = unix_address(info.Env(), to_string(info[1], "path"), "connect");
  // A Unix connect that was interrupted has not begun, unlike one of TCP: it may be called again.
  if (retry_interrupted([&] { return ::connect(fd, address.get(), address.length); }) == -1) {
    throw_errno(info.Env(), "connect");
  }
}

Napi::Value socket_name(Call info) {
  Address address;
  address.length = sizeof address.storage;
  if (::getsockname(to_int(info[0], "fd"), address.get(), &address.length) == -1) {
    throw_errno(info.Env(), "getsockname");
  }
  return from_address(info.Env(), address, "getsockname");
}

static const char* type_name(Napi::Env env, int type) {
  if (type == SOCK_STREAM) return "stream";
  if (type == SOCK_DGRAM) return "dgram";
  if (type == SOCK_SEQPACKET) return "seqpacket";
  throw system_error(env, ESOCKTNOSUPPORT, "getsockopt");
}

Napi::Value socket_info(Call info) {
  Napi::Env env = info.Env();
  int fd = to_int(info[0], "fd");
  auto result = Napi::Object::New(env);
  result.Set("family", family_name(env, get_option(env, fd, SO_DOMAIN), "getsockopt"));
  result.Set("type", type_name(env, get_option(env, fd, SO_TYPE)));
  result.Set("listening", Napi::Boolean::New(env, get_option(env, fd, SO_ACCEPTCONN) != 0));
  return result;
}

Napi::Value peer_credentials(Call info) {
  ucred peer = {};
  socklen_t length = sizeof peer;
  if (::getsockopt(to_int(info[0], "fd"), SOL_SOCKET, SO_PEERCRED, &peer, &length) == -1) {
    throw_errno(info.Env(), "getsockopt");
  }
  auto result = Napi::Object::New(info.Env());
  result.Set("pid", peer.pid);
  result.Set("uid", peer.uid);
  result.Set("gid", peer.gid);
  return result;
}

Napi::Value peer_groups(Call info) {
  int fd = to_int(info[0], "fd");
  std::vector<gid_t> groups(32);
  socklen_t length = groups.size() * sizeof(gid_t);
  int result = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
  // ERANGE leaves the length that is needed; the peer's groups are those of its connect and do not change.
  if (result == -1 && errno == ERANGE) {
    groups.resize(length / sizeof(gid_t));
    result = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
  }
  if (result == -1) throw_errno(info.Env(), "getsockopt");
  groups.resize(length / sizeof(gid_t));
  auto list = Napi::Array::New(info.Env(), groups.size());
  for (uint32_t index = 0; index < groups.size(); index++) list.Set(index, groups[index]);
  return list;
}

void set_pass_credentials(Call info) {
  set_option(info.Env(), to_int(info[0], "fd"), SOL_SOCKET, SO_PASSCRED, to_bool(info[1], "on"));
}

void set_receive_low_water(Call info) {
  set_option(info.Env(), to_int(info[0], "fd"), SOL_SOCKET, SO_RCVLOWAT, to_int(info[1], "bytes"));
}

// Of a TCP socket that listens; TCP_INFO of any other is that of a connection.
Napi::Value listener_info(Call info) {
  Napi::Env env = info.Env();
  int fd = to_int(info[0], "fd");
  tcp_info facts = {};
  socklen_t length = sizeof facts;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &facts, &length) == -1) throw_errno(env, "getsockopt");
  if (get_option(env, fd, SO_ACCEPTCONN) == 0) throw system_error(env, EINVAL, "getsockopt");
  int ipv6_only = 0;
  length = sizeof ipv6_only;
  if (get_option(env, fd, SO_DOMAIN) == AF_INET6 &&
      ::getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &ipv6_only, &length) == -1) {
    throw_errno(env, "getsockopt");
  }
  auto result = Napi::Object::New(env);
  // tcp_get_info() of the kernel tells the accept queue in these two, which a listener has no other use for.
  result.Set("waiting", facts.tcpi_unacked);
  result.Set("backlog", facts.tcpi_sacked);
  result.Set("ipv6Only", Napi::Boolean::New(env, ipv6_only != 0));
  result.Set("reusePort", Napi::Boolean::New(env, get_option(env, fd, SO_REUSEPORT) != 0));
  return result;
}

}  // namespace batond
