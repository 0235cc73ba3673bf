// The owner of one descriptor: move-only, closes on destruction. Whatever throws, nothing stays open.
#pragma once

#include <unistd.h>

#include <utility>

namespace batond {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(number_, other.number_);
    other.reset();
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

  // The caller owns the number from here on.
  int release() { return std::exchange(number_, -1); }

  // close(2): on Linux the descriptor is gone whatever it returns, so there is nothing to check and nothing to retry.
  void reset() {
    if (number_ >= 0) ::close(release());
  }

 private:
  int number_ = -1;
};

}  // namespace batond
