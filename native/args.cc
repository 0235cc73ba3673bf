#include "args.h"

#include <sys/socket.h>

#include <cmath>
#include <limits>

namespace batond {

static Napi::TypeError type_error(const Napi::Value& value, const char* name, const char* wanted) {
  return Napi::TypeError::New(value.Env(), std::string(name) + " must be " + wanted);
}

// Node-API would cut 1.5, NaN or 2^40 to some integer; a descriptor that came about that way belongs to somebody else.
template <typename Integer>
static Integer to_integer(const Napi::Value& value, const char* name, const char* wanted) {
  if (!value.IsNumber()) throw type_error(value, name, wanted);
  double number = value.As<Napi::Number>().DoubleValue();
  using Limits = std::numeric_limits<Integer>;
  if (std::trunc(number) != number || number < Limits::min() || number > Limits::max()) {
    throw type_error(value, name, wanted);
  }
  return static_cast<Integer>(number);
}

int32_t to_int(const Napi::Value& value, const char* name) {
  return to_integer<int32_t>(value, name, "a 32-bit integer");
}

uint32_t to_uint(const Napi::Value& value, const char* name) {
  return to_integer<uint32_t>(value, name, "an unsigned 32-bit integer");
}

bool to_bool(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) throw type_error(value, name, "a boolean");
  return value.As<Napi::Boolean>();
}

std::string to_string(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw type_error(value, name, "a string");
  return value.As<Napi::String>();
}

Napi::Object to_object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw type_error(value, name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array to_array(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw type_error(value, name, "an array");
  return value.As<Napi::Array>();
}

template <typename Item>
static std::vector<Item> to_vector(const Napi::Value& value, const char* name,
                                   Item (*convert)(const Napi::Value&, const char*)) {
  Napi::Array array = to_array(value, name);
  std::vector<Item> items;
  for (uint32_t index = 0; index < array.Length(); index++) {
    Napi::HandleScope scope(value.Env());
    items.push_back(convert(array.Get(index), name));
  }
  return items;
}

std::vector<int> to_ints(const Napi::Value& value, const char* name) { return to_vector<int>(value, name, to_int); }

std::vector<uint32_t> to_uints(const Napi::Value& value, const char* name) {
  return to_vector<uint32_t>(value, name, to_uint);
}

std::vector<std::string> to_strings(const Napi::Value& value, const char* name) {
  return to_vector<std::string>(value, name, to_string);
}

Interest to_interest(const Napi::Value& value) {
  Napi::Object object = to_object(value, "interest");
  return {to_bool(object.Get("readable"), "interest.readable"), to_bool(object.Get("writable"), "interest.writable")};
}

int to_socket_type(const Napi::Value& value) {
  std::string type = to_string(value, "type");
  if (type == "stream") return SOCK_STREAM;
  if (type == "dgram") return SOCK_DGRAM;
  if (type == "seqpacket") return SOCK_SEQPACKET;
  throw type_error(value, "type", "'stream', 'dgram' or 'seqpacket'");
}

}  // namespace batond
