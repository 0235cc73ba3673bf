{
  'targets': [
    {
      'target_name': 'batond',
      'sources': [
        'native/accounts.cc',
        'native/addon.cc',
        'native/address.cc',
        'native/args.cc',
        'native/descriptor.cc',
        'native/epoll.cc',
        'native/errno.cc',
        'native/exit_status.cc',
        'native/memfd.cc',
        'native/message.cc',
        'native/pidfd.cc',
        'native/pipe.cc',
        'native/poll.cc',
        'native/prctl.cc',
        'native/reuse_port.cc',
        'native/rlimit.cc',
        'native/socket.cc',
        'native/spawn.cc',
        'native/spawn_child.cc',
        'native/watch.cc',
      ],
      # Exceptions, so that destructors close what a failing call has opened; `all`, so that a std::bad_alloc becomes
      # a JS error as well.
      'dependencies': ['<!(node -p "require(\'node-addon-api\').targets"):node_addon_api_except_all'],
      # Node-API 8 is what Node 20 to 26 have in common: one binary serves them all.
      'defines': ['NAPI_VERSION=8', '_GNU_SOURCE'],
      'cflags_cc': ['-std=c++17', '-Wall', '-Wextra', '-fvisibility=hidden'],
      # The headers of newer Node ask for a newer standard, for the sake of V8; Node-API needs none of it.
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    },
  ],
}
