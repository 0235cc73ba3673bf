import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What runs compiled is compiled before the first test, and by nobody beside another.
    globalSetup: ['test/support/set-up.mjs'],
    // Tests pass descriptors and signals about: each file gets a process of its own.
    pool: 'forks',
    // Real processes on two cores: more at once would only make every deadline tighter.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
