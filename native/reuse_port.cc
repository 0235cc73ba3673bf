// Several sockets of one address, and which of them a new connection goes to.
#include <linux/filter.h>
#include <sys/socket.h>

#include <vector>

#include "args.h"
#include "errno.h"
#include "functions.h"

namespace batond {

void set_reuse_port(Call info) {
  int on = to_bool(info[1], "on");
  if (::setsockopt(to_int(info[0], "fd"), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == -1) {
    throw_errno(info.Env(), "setsockopt");
  }
}

// Four numbers an instruction: code, jt, jf and k of a sock_filter. The kernel checks what they mean.
void attach_reuse_port_program(Call info) {
  int fd = to_int(info[0], "fd");
  std::vector<uint32_t> numbers = to_uints(info[1], "program");
  std::vector<sock_filter> program(numbers.size() / 4);
  if (numbers.size() % 4 != 0 || program.size() > BPF_MAXINSNS) throw system_error(info.Env(), EINVAL, "setsockopt");
  for (size_t i = 0; i < program.size(); i++) {
    const uint32_t* part = &numbers[i * 4];
    program[i] = {static_cast<uint16_t>(part[0]), static_cast<uint8_t>(part[1]), static_cast<uint8_t>(part[2]), part[3]};
  }
  sock_fprog whole = {static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &whole, sizeof whole) == -1) {
    throw_errno(info.Env(), "setsockopt");
  }
}

}  // namespace batond
