// What a new process does between clone(2) and execve(2).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "rlimit.h"

namespace batond {

// A pid is an int: ten digits at most.
constexpr size_t kPidDigits = 10;

// Everything that the new process needs, made beforehand: in it nothing may be allocated any more, as another thread
// may have held the allocator's lock at the moment of the clone (signal-safety(7), fork(2)).
struct Plan {
  std::string file;
  std::string cwd;
  std::vector<std::string> strings;  // what argv and env point into
  std::vector<char*> argv;           // ends with a null pointer, and so does env
  std::vector<char*> env;
  char* own_pid = nullptr;  // in one of `strings`: where the new process writes its pid; null: nowhere
  std::vector<int> fds;
  bool new_session = false;
  bool no_new_privileges = false;
  std::optional<mode_t> umask;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::vector<gid_t>> groups;
  std::vector<Limit> limits;
  std::optional<int> death_signal;
  std::optional<int> nice;
  std::string oom_score_adjust;     // as text; empty: left alone
  std::vector<unsigned long> cpus;  // the bits of sched_setaffinity(2); empty: left alone
  pid_t parent = 0;                 // who has to be the parent still; 0: unknown
};

enum class Step {
  clone,
  dup,
  setsid,
  oom_score_adj,
  setpriority,
  sched_setaffinity,
  setrlimit,
  chdir,
  setgroups,
  setgid,
  setuid,
  prctl,
  execve,
};

const char* step_name(Step step);

struct Failure {
  Step step;
  int number;
};

// Writes a Failure with the current `errno` into the pipe and ends this process.
[[noreturn]] void report_failure(int report, Step step);

// Turns this process into the planned one. `report` is the writing end of a close-on-exec pipe: it closes without a
// byte where execve(2) succeeds.
[[noreturn]] void run_child(Plan& plan, int report);

}  // namespace batond
