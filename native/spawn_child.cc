// Only async-signal-safe calls in this file, and raw ones where the C library's wrapper does more than the kernel:
// - setuid, setgid and setgroups signal all threads of the process, which a copy by raw clone only believes to have;
// - sigaction and sigprocmask leave out two signals of the library, whose handlers must not run here either.
// Nothing in here may throw, allocate, or return into JS.
#include "spawn_child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace batond {

const char* step_name(Step step) {
  switch (step) {
    case Step::clone: return "clone";
    case Step::dup: return "dup";
    case Step::setsid: return "setsid";
    case Step::oom_score_adj: return "oom_score_adj";
    case Step::setpriority: return "setpriority";
    case Step::sched_setaffinity: return "sched_setaffinity";
    case Step::setrlimit: return "setrlimit";
    case Step::chdir: return "chdir";
    case Step::setgroups: return "setgroups";
    case Step::setgid: return "setgid";
    case Step::setuid: return "setuid";
    case Step::prctl: return "prctl";
    case Step::execve: return "execve";
  }
  return "spawn";
}

void report_failure(int report, Step step) {
  Failure failure = {step, errno};
  // Fewer bytes than PIPE_BUF are written whole or not at all, pipe(7). There is nobody to tell if this fails.
  [[maybe_unused]] ssize_t written = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

// execve(2) resets handlers by itself but leaves ignored signals ignored, and Node ignores SIGPIPE. Handlers have to
// go as well: the mask opens before execve, and a handler of libuv would write into a pipe of the other process.
static void reset_signals() {
  const unsigned long as_default[8] = {};  // a kernel sigaction of zeros: SIG_DFL, no flags, empty mask
  for (int signal = 1; signal <= 64; signal++) ::syscall(SYS_rt_sigaction, signal, as_default, nullptr, 8);
}

static void unblock_signals() {
  const unsigned long none = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

// The targets are 0..count-1. What is needed below that line and not yet in its place moves above it first, or a dup2
// would overwrite it before its turn: with [4, 3, ...] each source is another's target. Answers the new `report`.
static int map_fds(Plan& plan, int report) {
  const int count = static_cast<int>(plan.fds.size());
  if (report < count) {
    int moved = ::fcntl(report, F_DUPFD_CLOEXEC, count);
    if (moved == -1) report_failure(report, Step::dup);
    report = moved;
  }
  for (int target = 0; target < count; target++) {
    int& source = plan.fds[target];
    if (source < 0 || source >= count || source == target) continue;
    source = ::fcntl(source, F_DUPFD_CLOEXEC, count);
    if (source == -1) report_failure(report, Step::dup);
  }
  for (int target = 0; target < count; target++) {
    const int source = plan.fds[target];
    // dup2 onto itself would leave close-on-exec set.
    const int result = source == target ? ::fcntl(target, F_SETFD, 0) : ::dup2(source, target);
    if (result == -1) report_failure(report, Step::dup);
  }
  // Ours are all close-on-exec; this is for what other code in the process has opened. Kernels before 5.11 refuse the
  // flag, and then there is nothing to fall back on that is safe here.
  ::syscall(SYS_close_range, static_cast<unsigned>(count), ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
  return report;
}

// proc(5). Written before the uid changes: after that the file belongs to root.
static bool adjust_oom_score(const std::string& text) {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd == -1) return false;
  const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int number = errno;
  ::close(fd);
  errno = number;
  return done;
}

// All that may need privileges, in the order in which they are given up.
static void change_credentials(const Plan& plan, int report) {
  if (plan.groups && ::syscall(SYS_setgroups, plan.groups->size(), plan.groups->data()) == -1) {
    report_failure(report, Step::setgroups);
  }
  if (plan.gid && ::syscall(SYS_setresgid, *plan.gid, *plan.gid, *plan.gid) == -1) {
    report_failure(report, Step::setgid);
  }
  if (plan.uid && ::syscall(SYS_setresuid, *plan.uid, *plan.uid, *plan.uid) == -1) {
    report_failure(report, Step::setuid);
  }
}

// After the credentials, a change of which clears it, prctl(2). The parent may have ended before: then the signal will
// never come, and this process sends it to itself.
static void set_death_signal(const Plan& plan, int report) {
  if (::prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(*plan.death_signal), 0UL, 0UL, 0UL) == -1) {
    report_failure(report, Step::prctl);
  }
  if (plan.parent != 0 && ::getppid() != plan.parent) ::kill(::getpid(), *plan.death_signal);
}

// In decimal and by hand: snprintf(3) is not async-signal-safe. The string has room for any pid.
static void write_own_pid(char* target) {
  char digits[kPidDigits];
  size_t count = 0;
  for (pid_t rest = ::getpid(); rest > 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
  for (size_t index = 0; index < count; index++) target[index] = digits[count - 1 - index];
  target[count] = '\0';
}

void run_child(Plan& plan, int report) {
  reset_signals();
  if (plan.own_pid != nullptr) write_own_pid(plan.own_pid);
  if (plan.new_session && ::setsid() == -1) report_failure(report, Step::setsid);
  // Before the limits: a low RLIMIT_NOFILE is for the program, not for the moves that lead to it.
  report = map_fds(plan, report);
  if (plan.umask) ::umask(*plan.umask);
  if (!plan.oom_score_adjust.empty() && !adjust_oom_score(plan.oom_score_adjust)) {
    report_failure(report, Step::oom_score_adj);
  }
  if (plan.nice && ::setpriority(PRIO_PROCESS, 0, *plan.nice) == -1) report_failure(report, Step::setpriority);
  if (!plan.cpus.empty() &&
      ::syscall(SYS_sched_setaffinity, 0, plan.cpus.size() * sizeof(unsigned long), plan.cpus.data()) == -1) {
    report_failure(report, Step::sched_setaffinity);
  }
  for (const Limit& limit : plan.limits) {
    if (::syscall(SYS_prlimit64, 0, limit.resource, &limit.value, nullptr) == -1) {
      report_failure(report, Step::setrlimit);
    }
  }
  if (::chdir(plan.cwd.c_str()) == -1) report_failure(report, Step::chdir);
  change_credentials(plan, report);
  if (plan.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == -1) {
    report_failure(report, Step::prctl);
  }
  if (plan.death_signal) set_death_signal(plan, report);
  unblock_signals();
  ::execve(plan.file.c_str(), plan.argv.data(), plan.env.data());
  report_failure(report, Step::execve);
}

}  // namespace batond
