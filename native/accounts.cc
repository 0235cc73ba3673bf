// Names of users and groups, as nsswitch.conf(5) says: getpwnam(3), getgrnam(3), getpwuid(3). They may wait for a network.
#include <grp.h>
#include <pwd.h>

#include <vector>

#include "args.h"
#include "errno.h"
#include "functions.h"

namespace batond {

static constexpr size_t kFirstBuffer = 1024;
// A group of a directory service can have very many members.
static constexpr size_t kLargestBuffer = 16 * 1024 * 1024;

// Calls with a buffer that grows until the entry fits; true where there is one.
template <typename Entry, typename Look>
static bool look_up(Napi::Env env, const char* syscall, Entry& entry, std::vector<char>& buffer, Look look) {
  for (buffer.resize(kFirstBuffer);; buffer.resize(buffer.size() * 4)) {
    Entry* found = nullptr;
    int error;
    do {
      error = look(&entry, buffer.data(), buffer.size(), &found);
    } while (error == EINTR);
    if (found != nullptr) return true;
    // What "not found" is differs by source: getpwnam(3) names all of these.
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) return false;
    if (error != ERANGE || buffer.size() >= kLargestBuffer) throw system_error(env, error, syscall);
  }
}

Napi::Value user_by_name(Call info) {
  std::string name = to_string(info[0], "name");
  passwd entry;
  std::vector<char> buffer;
  bool found = look_up(info.Env(), "getpwnam", entry, buffer, [&](passwd* to, char* text, size_t size, passwd** result) {
    return ::getpwnam_r(name.c_str(), to, text, size, result);
  });
  if (!found) return info.Env().Null();
  return Napi::Number::New(info.Env(), entry.pw_uid);
}

Napi::Value group_by_name(Call info) {
  std::string name = to_string(info[0], "name");
  group entry;
  std::vector<char> buffer;
  bool found = look_up(info.Env(), "getgrnam", entry, buffer, [&](group* to, char* text, size_t size, group** result) {
    return ::getgrnam_r(name.c_str(), to, text, size, result);
  });
  if (!found) return info.Env().Null();
  return Napi::Number::New(info.Env(), entry.gr_gid);
}

Napi::Value user_name(Call info) {
  const uint32_t uid = to_uint(info[0], "uid");
  passwd entry;
  std::vector<char> buffer;
  bool found = look_up(info.Env(), "getpwuid", entry, buffer, [&](passwd* to, char* text, size_t size, passwd** result) {
    return ::getpwuid_r(uid, to, text, size, result);
  });
  if (!found) return info.Env().Null();
  return Napi::String::New(info.Env(), entry.pw_name);
}

}  // namespace batond
