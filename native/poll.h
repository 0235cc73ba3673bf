// The contract's `Ready`.
#pragma once

#include <node_api.h>

namespace batond {

struct Ready {
  bool readable;
  bool writable;
  bool hangup;
};

// `revents` of poll(2); a descriptor that is not open counts as hung up.
Ready to_ready(short revents);

// Plain Node-API with a status, as it is called where a C++ exception would have nobody to catch it.
napi_status ready_value(napi_env env, Ready ready, napi_value* result);

}  // namespace batond
