// What the addon offers to JS; each is described where it is implemented, and typed in src/native.ts.
#pragma once

#include <napi.h>

namespace batond {

using Call = const Napi::CallbackInfo&;

// accounts.cc
Napi::Value user_by_name(Call);
Napi::Value group_by_name(Call);
Napi::Value user_name(Call);

// socket.cc
Napi::Value socketpair(Call);
Napi::Value unix_socket(Call);
Napi::Value bind(Call);
void listen(Call);
void connect_unix(Call);
Napi::Value socket_name(Call);
Napi::Value socket_info(Call);
Napi::Value peer_credentials(Call);
Napi::Value peer_groups(Call);
void set_pass_credentials(Call);
void set_receive_low_water(Call);
Napi::Value listener_info(Call);

// reuse_port.cc
void set_reuse_port(Call);
void attach_reuse_port_program(Call);

// message.cc
Napi::Value peek(Call);
Napi::Value send(Call);
Napi::Value receive(Call);

// poll.cc
Napi::Value poll(Call);

// descriptor.cc
Napi::Value dup(Call);
void close(Call);
Napi::Value lock_file(Call);
Napi::Value same_file(Call);

// epoll.cc
Napi::Value epoll_create(Call);
Napi::Value epoll_add(Call);
void epoll_add_arrivals(Call);
void epoll_remove(Call);
Napi::Value epoll_wait(Call);

// pipe.cc
Napi::Value pipe(Call);
Napi::Value tee(Call);
Napi::Value pipe_size(Call);
void set_pipe_size(Call);

// spawn.cc
Napi::Value spawn(Call);

// pidfd.cc
Napi::Value pidfd_open(Call);
Napi::Value pidfd_signal(Call);
Napi::Value pidfd_wait(Call);
Napi::Value pidfd_info(Call);
Napi::Value wait_any(Call);

// prctl.cc
Napi::Value setsid(Call);
void set_process_name(Call);
void set_subreaper(Call);
void set_death_signal(Call);
void set_no_new_privileges(Call);

// rlimit.cc
Napi::Value get_rlimit(Call);

// memfd.cc
Napi::Value memfd_create(Call);
void memfd_seal(Call);
Napi::Value memfd_is_sealed(Call);

// watch.cc
Napi::Value watch(Call);

}  // namespace batond
