// Socket addresses between JS and the kernel: ip(7), ipv6(7), unix(7).
#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <string>

namespace batond {

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// A leading NUL makes an abstract name. `syscall` is the call that the address is for, should it be refused here.
Address unix_address(Napi::Env env, const std::string& path, const char* syscall);

// A SocketAddress of the contract.
Address to_address(const Napi::Value& value, const char* syscall);
Napi::Value from_address(Napi::Env env, Address& address, const char* syscall);

// 'ipv4', 'ipv6' or 'unix'; throws EAFNOSUPPORT for any other family.
const char* family_name(Napi::Env env, int family, const char* syscall);

}  // namespace batond
