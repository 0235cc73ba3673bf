// Registration only. Nothing here is static or shared, so that every environment (worker_threads) may load the addon.
#include "functions.h"

namespace batond {

template <auto function>
static void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(exports.Env(), name));
}

static Napi::Object init(Napi::Env, Napi::Object exports) {
  add<user_by_name>(exports, "userByName");
  add<group_by_name>(exports, "groupByName");
  add<user_name>(exports, "userName");
  add<socketpair>(exports, "socketpair");
  add<unix_socket>(exports, "unixSocket");
  add<bind>(exports, "bind");
  add<listen>(exports, "listen");
  add<connect_unix>(exports, "connectUnix");
  add<send>(exports, "send");
  add<receive>(exports, "receive");
  add<peek>(exports, "peek");
  add<poll>(exports, "poll");
  add<socket_name>(exports, "socketName");
  add<socket_info>(exports, "socketInfo");
  add<peer_credentials>(exports, "peerCredentials");
  add<peer_groups>(exports, "peerGroups");
  add<set_pass_credentials>(exports, "setPassCredentials");
  add<set_receive_low_water>(exports, "setReceiveLowWater");
  add<listener_info>(exports, "listenerInfo");
  add<set_reuse_port>(exports, "setReusePort");
  add<attach_reuse_port_program>(exports, "attachReusePortProgram");
  add<dup>(exports, "dup");
  add<close>(exports, "close");
  add<same_file>(exports, "sameFile");
  add<epoll_create>(exports, "epollCreate");
  add<epoll_add>(exports, "epollAdd");
  add<epoll_add_arrivals>(exports, "epollAddArrivals");
  add<epoll_remove>(exports, "epollRemove");
  add<epoll_wait>(exports, "epollWait");
  add<pipe>(exports, "pipe");
  add<tee>(exports, "tee");
  add<pipe_size>(exports, "pipeSize");
  add<set_pipe_size>(exports, "setPipeSize");
  add<spawn>(exports, "spawn");
  add<pidfd_open>(exports, "pidfdOpen");
  add<pidfd_signal>(exports, "pidfdSignal");
  add<pidfd_wait>(exports, "pidfdWait");
  add<pidfd_info>(exports, "pidfdInfo");
  add<wait_any>(exports, "waitAny");
  add<setsid>(exports, "setsid");
  add<set_process_name>(exports, "setProcessName");
  add<set_subreaper>(exports, "setSubreaper");
  add<set_death_signal>(exports, "setDeathSignal");
  add<set_no_new_privileges>(exports, "setNoNewPrivileges");
  add<get_rlimit>(exports, "getRlimit");
  add<lock_file>(exports, "lockFile");
  add<memfd_create>(exports, "memfdCreate");
  add<memfd_seal>(exports, "memfdSeal");
  add<memfd_is_sealed>(exports, "memfdIsSealed");
  add<watch>(exports, "watch");
  return exports;
}

NODE_API_MODULE(batond, init)

}  // namespace batond
