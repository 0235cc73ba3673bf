// How a command gets into a lab: into the cgroup of its systemd, so that it is counted and killed with the lab, then
// into all of its namespaces. It must never carry the caller's environment along (NODE_OPTIONS, a test runner's
// variables), nor outlive the nsenter that waits for it: a time-out that kills nsenter ends the command too.

/**
 * @typedef {object} CommandOptions
 * @property {Record<string, string> | undefined} [env]
 * @property {string} [cwd] a path inside the lab
 * @property {string} [user] a user of the lab; default root
 */

const basicEnv = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };

/**
 * @param {import('./places.mjs').LabRecord} record
 * @param {readonly string[]} command
 * @param {CommandOptions} [options]
 * @returns {[string, ...string[]]} file and arguments to run on the machine
 */
export function commandInLab(record, command, { env = {}, cwd = '/', user = 'root' } = {}) {
  if (record.init === null) throw new Error(`lab ${record.name} is not up`);
  const home = user === 'root' ? '/root' : `/home/${user}`;
  const variables = Object.entries({ ...basicEnv, HOME: home, USER: user, ...env }).map(
    ([key, value]) => `${key}=${value}`,
  );
  const identity = user === 'root' ? [] : [`--reuid=${user}`, `--regid=${user}`, '--init-groups'];
  return [
    'sh',
    ...['-c', 'echo 0 >"$0/cgroup.procs" && exec "$@"', `${record.cgroup}/init.scope`],
    ...['nsenter', '--target', String(record.init.pid), '--all', '--'],
    // A change of identity clears the death signal (prctl(2)), so it comes before it.
    ...(identity.length > 0 ? ['setpriv', ...identity] : []),
    ...['setpriv', '--pdeathsig', 'KILL', 'env', '-i', '-C', cwd, ...variables, ...command],
  ];
}
