// Where client and server run.
import { cpus } from 'node:os';
import { runWell } from '../test/support/process';
import type { Placement } from './section';

/** The cores of the machine. */
export const cores = cpus().length;

const CLIENT = 0;

/** The core of the client; undefined: any. */
export const clientCore = (placement: Placement): number | undefined =>
  placement === 'free' ? undefined : CLIENT;

/** The cores of the server. */
export function serverCores(placement: Placement): string {
  if (placement === 'free') return `0-${cores - 1}`;
  return placement === 'together' ? String(CLIENT) : '1';
}

/** Binds a process, all its threads and those it will start to cores. Linux. */
export async function pin(pid: number, list: string): Promise<void> {
  await runWell('taskset', ['-a', '-p', '-c', list, String(pid)]);
}

/** What stands before a command that is bound to the client's core. */
export const pinned = (placement: Placement): readonly string[] =>
  placement === 'free' ? [] : ['taskset', '-c', String(CLIENT)];

/** Whether processes can be bound here. */
export const canPin = process.platform === 'linux' && cores > 1;
