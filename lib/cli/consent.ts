// Tested by test/integration/agent-command.test.ts
/** `iotkit-ota consent`: a user's answer to an update that waits for one. See docs/agent.md. */
import { readConfig } from './agent/config';
import { type Asked, askAgent, type Waiting } from './agent/control';
import { readOptions, type UpdateCommand } from './agent/options';
import type { Given } from './arguments';
import { ending } from './command';
import { CommandError, UsageError } from './errors';
import { exitCodes } from './exit-codes';
import { print, printJson } from './output';
import { printableLine } from './printable';
import { waitingText } from './slots';

const usage = `Usage: iotkit-ota consent [--accept | --reject] [options]

Shows the updates that wait for a user's consent, or gives the answer for one of them.

  --accept              it goes on
  --reject              it has failed, for the platform too
  --version <version>   that the answer is for; if another one waits by now, nothing is answered
  --reason <text>       why it was rejected; the platform shows it
  --module <name>       of this module alone
  --config <file>       the configuration of the agent (/etc/iotkit-ota/agent.toml or .json)
  --json                prints JSON
  --help

Exit codes: 0 done, 1 nothing waits, or not what was named, 2 wrong usage or configuration, 69 no
agent runs, 77 it is another user's agent; all of them are in docs/agent.md`;

const own = {
  accept: { type: 'boolean' },
  reject: { type: 'boolean' },
  reason: { type: 'string' },
  version: { type: 'string' },
  module: { type: 'string' },
} as const;

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args, own, { usage });
  if (typeof options === 'number') return options;
  return ending('consent', options.json, () => consent(options));
}

async function consent({ config, json, values }: UpdateCommand<typeof own>): Promise<number> {
  const asked = askedOf(values);
  const { record } = readConfig(config).agent;
  const updates = await ask(record, asked);
  const isAnswered = asked.ask === 'answer';
  if (json) printJson({ schema: 1, ok: true, answered: isAnswered, updates });
  else print(sentencesOf(updates, asked));
  return exitCodes.done;
}

function sentencesOf(updates: readonly Waiting[], asked: Asked): string {
  if (updates.length === 0) return 'nothing waits for consent';
  const what = asked.ask === 'waiting' ? 'waits' : asked.accept ? 'accepted' : 'rejected';
  return updates.map((it) => `${printableLine(it.module)}: ${what}: ${waitingText(it)}`).join('\n');
}

function askedOf({ accept, reject, reason, version, module }: Given<typeof own>): Asked {
  if (accept === true && reject === true) {
    throw new UsageError('--accept and --reject exclude each other');
  }
  if (reason !== undefined && reject !== true) throw new UsageError('--reason needs --reject');
  if (accept === true || reject === true) {
    return { ask: 'answer', accept: accept === true, module, version, reason };
  }
  if (version !== undefined) throw new UsageError('--version needs --accept or --reject');
  return { ask: 'waiting', module };
}

async function ask(record: string, asked: Asked): Promise<readonly Waiting[]> {
  const answer = await askAgent(record, asked).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error;
    const why = "the agent is another user's: ask as that user, or as root";
    throw new CommandError('ERR_FILE_ACCESS', why);
  });
  if (answer === undefined) {
    const why = `no agent runs that has the record ${record}`;
    throw new CommandError('ERR_INSTALL_UNAVAILABLE', why);
  }
  if (answer.ok) return answer.updates;
  throw new CommandError('ERR_INVALID_STATE', answer.message);
}
