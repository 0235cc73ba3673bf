// Starts a process: clone(2) as a fork, since vfork and posix_spawn(3) can neither choose the parent nor do most of
// what run_child does. How it went comes back through a close-on-exec pipe:
//
//   ours                                    the new process
//   pipe2(O_CLOEXEC), all signals blocked
//   clone --------------------------------> signals, session, fds, limits, credentials ...
//   close the writing end                       |-- one fails: writes (step, errno), _exit
//   read <--------------------------------------|-- execve: the pipe closes without a byte
//
// A process that is killed before its execve also closes the pipe without a byte: it has been started, and its pidfd
// tells how it ended.
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>

#include "args.h"
#include "errno.h"
#include "fd.h"
#include "functions.h"
#include "pidfd.h"
#include "spawn_child.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "clone(2) takes its arguments in another order here: check it"
#endif

namespace batond {

// An interior NUL would cut the string short, and start something else than what was asked for.
static std::string to_c_string(const Napi::Value& value, const char* name) {
  std::string text = to_string(value, name);
  if (text.find('\0') != std::string::npos) throw system_error(value.Env(), EINVAL, "execve");
  return text;
}

// setresuid(2) and setresgid(2) take -1 for "leave it", and what was meant to lose its privileges would keep them.
static uint32_t to_id(const Napi::Value& value, const char* name, Step step) {
  uint32_t id = to_uint(value, name);
  if (id == UINT32_MAX) throw system_error(value.Env(), EINVAL, step_name(step));
  return id;
}

static std::vector<unsigned long> to_cpu_mask(const Napi::Value& value) {
  constexpr size_t kBits = sizeof(unsigned long) * CHAR_BIT;
  std::vector<unsigned long> mask;
  std::vector<uint32_t> cpus = to_uints(value, "cpus");
  // No cpu at all is refused by the kernel, but an empty mask means "left alone" here: one word of zeros.
  mask.resize(1);
  for (uint32_t cpu : cpus) {
    // Far over what any kernel is built for (NR_CPUS); it only keeps a slip from allocating half a gigabyte.
    if (cpu >= 65536) throw system_error(value.Env(), EINVAL, step_name(Step::sched_setaffinity));
    if (mask.size() <= cpu / kBits) mask.resize(cpu / kBits + 1);
    mask[cpu / kBits] |= 1UL << (cpu % kBits);
  }
  return mask;
}

static std::vector<char*> to_pointers(std::vector<std::string>& strings, size_t from, size_t to) {
  std::vector<char*> pointers;
  for (size_t index = from; index < to; index++) pointers.push_back(strings[index].data());
  pointers.push_back(nullptr);
  return pointers;
}

static void read_command(Plan& plan, const Napi::Object& options) {
  plan.file = to_c_string(options.Get("file"), "file");
  plan.cwd = to_c_string(options.Get("cwd"), "cwd");
  plan.strings = to_strings(options.Get("argv"), "argv");
  const size_t argc = plan.strings.size();
  for (std::string& text : to_strings(options.Get("env"), "env")) plan.strings.push_back(std::move(text));
  std::string pid_variable;
  if (Napi::Value name = options.Get("pidVariable"); !name.IsUndefined()) {
    pid_variable = to_string(name, "pidVariable") + "=";
    plan.strings.push_back(pid_variable + std::string(kPidDigits, '0'));
  }
  for (const std::string& text : plan.strings) {
    if (text.find('\0') != std::string::npos) throw system_error(options.Env(), EINVAL, "execve");
  }
  // Only now: the pointers hold as long as the vector of strings does not grow.
  plan.argv = to_pointers(plan.strings, 0, argc);
  plan.env = to_pointers(plan.strings, argc, plan.strings.size());
  if (!pid_variable.empty()) plan.own_pid = plan.strings.back().data() + pid_variable.size();
}

static void read_options(Plan& plan, const Napi::Object& options) {
  plan.fds = to_ints(options.Get("fds"), "fds");
  plan.new_session = to_bool(options.Get("newSession"), "newSession");
  // Each of these is optional: absent means that the new process keeps what ours has.
  auto given = [&](const char* name, auto use) {
    Napi::Value value = options.Get(name);
    if (!value.IsUndefined()) use(value, name);
  };
  given("umask", [&](auto value, auto name) { plan.umask = to_uint(value, name); });
  given("uid", [&](auto value, auto name) { plan.uid = to_id(value, name, Step::setuid); });
  given("gid", [&](auto value, auto name) { plan.gid = to_id(value, name, Step::setgid); });
  given("groups", [&](auto value, auto name) { plan.groups = to_uints(value, name); });
  given("noNewPrivileges", [&](auto value, auto name) { plan.no_new_privileges = to_bool(value, name); });
  given("deathSignal", [&](auto value, auto name) { plan.death_signal = to_int(value, name); });
  given("oomScoreAdjust", [&](auto value, auto name) { plan.oom_score_adjust = std::to_string(to_int(value, name)); });
  given("nice", [&](auto value, auto name) { plan.nice = to_int(value, name); });
  given("cpus", [&](auto value, auto) { plan.cpus = to_cpu_mask(value); });
  given("rlimits", [&](auto value, auto name) {
    Napi::Array limits = to_array(value, name);
    for (uint32_t index = 0; index < limits.Length(); index++) {
      plan.limits.push_back(to_limit(limits.Get(index), step_name(Step::setrlimit)));
    }
  });
}

// No handler of ours may run in the new process before it has reset them. Raw, so that it holds for all signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    const unsigned long all = ~0UL;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof all);
  }
  ~SignalsBlocked() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_); }

 private:
  unsigned long before_ = 0;
};

// As fork(2), without the C library's handlers. The argument orders of x86_64 and arm64 differ after the third one
// only (child_tid and tls), and both of these are unused; CLONE_PIDFD stores into the third, clone(2).
static pid_t sys_clone(unsigned long flags, int* pidfd) {
  return static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, pidfd, nullptr, nullptr));
}

struct Pair {
  Fd ours;
  Fd theirs;
};

// We read, they write.
static Pair report_pipe(Napi::Env env) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) == -1) throw_errno(env, "pipe2");
  return {Fd(ends[0]), Fd(ends[1])};
}

// A socket pair where we write: MSG_NOSIGNAL spares us SIGPIPE if the other side has died.
static Pair control_pair(Napi::Env env) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) throw_errno(env, "socketpair");
  return {Fd(ends[0]), Fd(ends[1])};
}

static void say_go(const Fd& fd) {
  retry_interrupted([&] { return ::send(fd.get(), "", 1, MSG_NOSIGNAL); });
}

template <typename Value>
static bool read_value(int fd, Value* value) {
  return retry_interrupted([&] { return ::read(fd, value, sizeof *value); }) == sizeof *value;
}

// Throws what the new process reports; returns once it has executed the file.
static void throw_reported(Napi::Env env, const Fd& report) {
  Failure failure;
  if (read_value(report.get(), &failure)) throw system_error(env, failure.number, step_name(failure.step));
}

struct Started {
  pid_t pid;
  Fd pidfd;
};

static Started start_direct(Napi::Env env, Plan& plan, bool sibling) {
  Pair report = report_pipe(env);
  // Read before the clone: that it has not changed says that we still live.
  plan.parent = sibling ? 0 : ::getpid();
  int number = -1;
  pid_t pid;
  {
    SignalsBlocked blocked;
    pid = sys_clone(SIGCHLD | CLONE_PIDFD | (sibling ? CLONE_PARENT : 0), &number);
    if (pid == 0) run_child(plan, report.theirs.get());
  }
  if (pid == -1) throw_errno(env, "clone");
  Fd pidfd(number);
  report.theirs.reset();
  try {
    throw_reported(env, report.ours);
  } catch (const Napi::Error&) {
    // It is at its _exit: this waits for no longer than that takes. A sibling's zombie is its parent's to reap.
    siginfo_t status;
    if (!sibling) retry_interrupted([&] { return ::waitid(kPidfd, static_cast<id_t>(number), &status, WEXITED); });
    throw;
  }
  return {pid, std::move(pidfd)};
}

// The double fork, for where the flags of clone are refused. A pidfd of a grandchild by its number is a race: the
// number may be another's by then. So the process between the two stays: while it lives, its own child keeps the
// number, be it as a zombie.
//
//   ours                           middle                           the new process
//   clone -----------------------> clone -------------------------> waits for the gate
//   read  <--------- its pid ----- waits
//   pidfd_open
//   send  ------------ go -------> _exit(0)                         now an orphan, adopted
//   waitpid, status 0: the number was certain
//   send  ------------------------------------------------- go ---> run_child
//
// Should we die, both see the end of their sockets and end as well.
[[noreturn]] static void run_middle(Plan& plan, int report, int control, int gate) {
  pid_t pid = sys_clone(SIGCHLD, nullptr);
  char go;
  if (pid == 0) {
    if (!read_value(gate, &go)) ::_exit(127);
    run_child(plan, report);
  }
  if (pid == -1) report_failure(report, Step::clone);
  if (::write(control, &pid, sizeof pid) != sizeof pid || !read_value(control, &go)) ::_exit(127);
  ::_exit(0);
}

static Started start_orphan(Napi::Env env, Plan& plan) {
  Pair report = report_pipe(env);
  Pair control = control_pair(env);
  Pair gate = control_pair(env);
  pid_t middle;
  {
    SignalsBlocked blocked;
    // No exit signal: nobody is told of it, waits for it by accident, or has it reaped by ignoring SIGCHLD.
    middle = sys_clone(0, nullptr);
    if (middle == 0) {
      // Or they would keep their own sockets from ever ending.
      ::close(control.ours.get());
      ::close(gate.ours.get());
      run_middle(plan, report.theirs.get(), control.theirs.get(), gate.theirs.get());
    }
  }
  if (middle == -1) throw_errno(env, "clone");
  report.theirs.reset();
  control.theirs.reset();
  gate.theirs.reset();

  pid_t pid = 0;
  const bool announced = read_value(control.ours.get(), &pid);
  Fd pidfd(announced ? sys_pidfd_open(pid) : -1);
  const int number = errno;
  say_go(control.ours);
  int status = -1;
  retry_interrupted([&] { return ::waitpid(middle, &status, __WALL); });
  // From here on anything thrown closes the gate, and the new process ends without having done a thing.
  if (!announced) throw_reported(env, report.ours);
  if (announced && !pidfd) throw system_error(env, number, "pidfd_open");
  if (status != 0) throw system_error(env, ESRCH, "clone");
  say_go(gate.ours);
  throw_reported(env, report.ours);
  return {pid, std::move(pidfd)};
}

// Before anything is opened here: a number that is not open now could become our pipe's, which the new process would
// then hold for ever.
static void check_open(Napi::Env env, const std::vector<int>& fds) {
  for (int fd : fds) {
    if (::fcntl(fd, F_GETFD) == -1) throw_errno(env, step_name(Step::dup));
  }
}

static Started start(Napi::Env env, Plan& plan, const std::string& parent) {
  check_open(env, plan.fds);
  if (parent == "self") return start_direct(env, plan, false);
  if (parent == "sibling") return start_direct(env, plan, true);
  if (parent == "orphan") return start_orphan(env, plan);
  throw Napi::TypeError::New(env, "parent must be 'self', 'sibling' or 'orphan'");
}

Napi::Value spawn(Call info) {
  Napi::Env env = info.Env();
  Napi::Object options = to_object(info[0], "options");
  Plan plan;
  read_command(plan, options);
  read_options(plan, options);
  auto result = Napi::Object::New(env);
  Started started = start(env, plan, to_string(options.Get("parent"), "parent"));
  result.Set("pid", started.pid);
  result.Set("pidfd", started.pidfd.get());
  started.pidfd.release();
  return result;
}

}  // namespace batond
