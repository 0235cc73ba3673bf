/** A second start of a service that runs is refused before anything is touched. */
import { connect } from 'node:net';
import { BatondError } from '../errors.js';
import { ControlClient } from './client.js';

/** Throws ALREADY_RUNNING where somebody answers on the control socket. */
export async function refuseSecondStart(name: string, controlSocket: string): Promise<void> {
  if (!(await answers(controlSocket))) return;
  const { supervisor } = await new ControlClient(name, {
    RUNTIME_DIRECTORY: controlSocket.replace(/\/[^/]*$/, ''),
  }).status();
  throw new BatondError('ALREADY_RUNNING', { name, pid: supervisor.pid });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
