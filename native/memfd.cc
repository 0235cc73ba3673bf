// memfd_create(2): a file without a name, that a successor gets by its descriptor and nobody changes once it is sealed.
#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"

namespace batond {

Napi::Value memfd_create(Call info) {
  Fd fd(::memfd_create(to_string(info[0], "name").c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw_errno(info.Env(), "memfd_create");
  auto result = Napi::Number::New(info.Env(), fd.get());
  fd.release();
  return result;
}

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

}  // namespace

void memfd_seal(Call info) {
  if (::fcntl(to_int(info[0], "fd"), F_ADD_SEALS, kSeals) == -1) throw_errno(info.Env(), "fcntl");
}

Napi::Value memfd_is_sealed(Call info) {
  const int seals = ::fcntl(to_int(info[0], "fd"), F_GET_SEALS);
  // EINVAL: a file of a kind that has no seals.
  if (seals == -1 && errno != EINVAL) throw_errno(info.Env(), "fcntl");
  return Napi::Boolean::New(info.Env(), seals != -1 && (seals & kSeals) == kSeals);
}

}  // namespace batond
