// System calls and numbers that the C library of a build host may not know yet: pidfd_open(2), waitid(2).
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace batond {

// Close-on-exec without being asked.
inline int sys_pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// P_PIDFD; an enumerator in some C libraries and absent in others.
constexpr idtype_t kPidfd = static_cast<idtype_t>(3);

}  // namespace batond
