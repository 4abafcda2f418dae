// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import type { Health } from '../index';
import { ApiClient } from './client';
import { DegradedError } from './errors';
import { findServer } from './find-server';
import { type CommonOptions, withServer } from './flags';
import { print, table } from './output';
import { toJson } from './printable';

/** `status` */
export function addStatus(program: Command): void {
  withServer(program.command('status').description('what the platform has')).action(status);
}

async function status(options: CommonOptions): Promise<void> {
  const server = await findServer(options);
  const answer = await new ApiClient(server).get<Health & Record<string, unknown>>('/status');
  print(options, answer, () =>
    table([
      ['operator', server.url],
      ...Object.entries(answer).map(([name, value]) => [name, flat(value)]),
    ]),
  );
  const flaws = flawsOf(answer);
  if (flaws.length > 0) throw new DegradedError(flaws.join('; '));
}

/** What does not work, in words. */
function flawsOf({ state, broker, problems }: Health): string[] {
  return [
    ...(state.degraded ? [`the state cannot be written: ${state.reason}`] : []),
    ...(broker.connected ? [] : [`the broker is away: ${broker.reason}`]),
    ...problems.map(({ what, name, reason }) => `${what} ${toJson(name)}: ${reason}`),
  ];
}

function flat(value: unknown): string {
  if (Array.isArray(value)) return String(value.length);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, each]) => `${name}=${String(each)}`)
    .join(' ');
}
