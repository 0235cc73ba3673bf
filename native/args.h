// Arguments from JS. Types are checked here (TypeError); what a value means is checked by the caller or the kernel.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace batond {

// `name` is what the message of the TypeError calls the value.
int32_t to_int(const Napi::Value& value, const char* name);
uint32_t to_uint(const Napi::Value& value, const char* name);
bool to_bool(const Napi::Value& value, const char* name);
std::string to_string(const Napi::Value& value, const char* name);
Napi::Object to_object(const Napi::Value& value, const char* name);
Napi::Array to_array(const Napi::Value& value, const char* name);
std::vector<int> to_ints(const Napi::Value& value, const char* name);
std::vector<uint32_t> to_uints(const Napi::Value& value, const char* name);
std::vector<std::string> to_strings(const Napi::Value& value, const char* name);

struct Interest {
  bool readable;
  bool writable;
};

Interest to_interest(const Napi::Value& value);

// 'stream', 'dgram' or 'seqpacket' as SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.
int to_socket_type(const Napi::Value& value);

}  // namespace batond
