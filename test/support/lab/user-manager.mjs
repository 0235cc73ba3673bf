// `systemctl --user` in a lab. systemd's own user@.service wants PAM, logind and D-Bus, which a lab does without: this
// unit of the same name starts the user's manager directly, and systemctl finds it by XDG_RUNTIME_DIR.
// It must never be used for root.

const firstUid = 1000;

/** @param {string} user @param {number} uid */
const unit = (user, uid) => `
[Unit]
Description=User manager of ${user}, without logind

[Service]
Type=notify
User=${user}
Slice=user-${uid}.slice
Delegate=yes
KillMode=mixed
Environment=XDG_RUNTIME_DIR=/run/user/${uid} SHELL=/bin/sh
ExecStartPre=+install -d -m 0700 -o ${uid} -g ${uid} /run/user/${uid}
ExecStart=/lib/systemd/systemd --user
`;

/**
 * @param {(command: string[], how?: { input?: string, check?: boolean }) => Promise<{ status: number | null, stdout: string }>} exec
 * @param {string} user
 * @returns {Promise<Record<string, string>>} what the user's commands need in their environment
 */
export async function startUserManager(exec, user) {
  const known = await exec(['id', '-u', user], { check: false });
  if (known.status !== 0) {
    await exec([
      'useradd',
      '--create-home',
      '--user-group',
      '--key',
      `UID_MIN=${firstUid}`,
      '--shell',
      '/bin/sh',
      user,
    ]);
  }
  const uid = Number((await exec(['id', '-u', user])).stdout);
  if (uid === 0) throw new Error('root has no user manager in a lab');
  const path = `/run/systemd/system/user@${uid}.service`;
  if ((await exec(['test', '-e', path], { check: false })).status !== 0) {
    await exec(['sh', '-c', 'mkdir -p /run/systemd/system && cat >"$0" && systemctl daemon-reload', path], {
      input: unit(user, uid),
    });
  }
  await exec(['systemctl', 'start', `user@${uid}.service`]);
  return { XDG_RUNTIME_DIR: `/run/user/${uid}` };
}
