#include "rlimit.h"

#include <string>

#include "args.h"
#include "errno.h"
#include "functions.h"

namespace batond {

static const struct {
  const char* name;
  int resource;
} kResources[] = {
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

static int to_resource(const Napi::Value& value, const char* syscall) {
  std::string name = to_string(value, "resource");
  for (const auto& row : kResources) {
    if (name == row.name) return row.resource;
  }
  throw system_error(value.Env(), EINVAL, syscall);
}

// Numbers of JS are exact up to 2^53; a limit beyond that is a slip, and so is a fraction.
static rlim_t to_bound(const Napi::Value& value, const char* name, const char* syscall) {
  if (value.IsNull()) return RLIM_INFINITY;
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a number or null");
  double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= 9007199254740991.0) || number != static_cast<double>(static_cast<rlim_t>(number))) {
    throw system_error(value.Env(), EINVAL, syscall);
  }
  return static_cast<rlim_t>(number);
}

Limit to_limit(const Napi::Value& value, const char* syscall) {
  Napi::Object object = to_object(value, "rlimit");
  return {to_resource(object.Get("resource"), syscall),
          {to_bound(object.Get("soft"), "soft", syscall), to_bound(object.Get("hard"), "hard", syscall)}};
}

static Napi::Value bound_value(Napi::Env env, rlim_t bound) {
  if (bound == RLIM_INFINITY) return env.Null();
  return Napi::Number::New(env, static_cast<double>(bound));
}

Napi::Value get_rlimit(Call info) {
  rlimit limit;
  if (::getrlimit(to_resource(info[0], "getrlimit"), &limit) == -1) throw_errno(info.Env(), "getrlimit");
  auto result = Napi::Object::New(info.Env());
  result.Set("soft", bound_value(info.Env(), limit.rlim_cur));
  result.Set("hard", bound_value(info.Env(), limit.rlim_max));
  return result;
}

}  // namespace batond
