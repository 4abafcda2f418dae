// Tested by test/integration/agent-command.test.ts
/**
 * `iotkit-ota status`, `confirm` and `rollback`: what an operator at the machine asks and does, with
 * the configuration of the agent and beside it, without the platform.
 */
import type { UpdateModule } from '../install/agent-options';
import type { Installer, InstallerStatus } from '../install/installer';
import { isUnderWay, lookAtRecord, type UpdateEntry } from '../install/record';
import { type AgentConfig, readConfig } from './agent/config';
import { askAgent, type Waiting } from './agent/control';
import { readOptions, type UpdateCommand } from './agent/options';
import type { Given } from './arguments';
import { ending } from './command';
import { CommandError, UsageError } from './errors';
import { complain, print, printJson } from './output';
import { printableLine } from './printable';

/** What `status --json` prints for each module. */
interface ModuleStatus extends InstallerStatus {
  /** `default`, or its name. */
  readonly module: string;
  readonly installer: string;
  /** The update under way, or the last one; null: there was none. */
  readonly update: UpdateEntry | null;
  /** The only version it may be updated to; null: any. */
  readonly pinned: string | null;
  /** The update that waits for a user's consent; null: none does, or no agent runs. */
  readonly waiting: Waiting | null;
}

const about = `
  --config <file>   the configuration of the agent (/etc/iotkit-ota/agent.toml or .json)
  --module <name>   of this module alone
  --json            prints JSON
  --help

Exit codes: 0 done, 1 it failed, 2 wrong usage or configuration; others are in docs/agent.md`;

const usages = {
  status: `Usage: iotkit-ota status [options]

Prints what runs, what the next start takes, and how far the last update has come.
${about}`,
  confirm: `Usage: iotkit-ota confirm [options]

Confirms the slot that runs, so that nothing falls back from it.
${about}`,
  rollback: `Usage: iotkit-ota rollback [options]

Takes the slot that runs out of what may start: the next start takes the other one. An update that
is activated and has not started is taken back.
  --restart         and restarts now
${about}`,
} as const;

type Command = keyof typeof usages;

const own = { module: { type: 'string' } } as const;
const ownOfRollback = { ...own, restart: { type: 'boolean' } } as const;

type CommandOptions = UpdateCommand<typeof ownOfRollback>;

/** @returns the exit code */
export function commandOf(command: Command): (args: readonly string[]) => Promise<number> {
  return async (args) => {
    const table = command === 'rollback' ? ownOfRollback : own;
    const options = readOptions(args, table, { usage: usages[command] });
    if (typeof options === 'number') return options;
    return ending(command, options.json, async () => {
      await commands[command](readConfig(options.config), options);
      return 0;
    });
  };
}

const commands: Readonly<
  Record<Command, (config: AgentConfig, options: CommandOptions) => Promise<void>>
> = {
  async status({ agent }, { json, values }) {
    const { content, damage } = await lookAtRecord(agent.record);
    if (damage !== undefined) complain(`iotkit-ota status: ${damage.message}`);
    const asked = await askAgent(agent.record, { ask: 'waiting' }).catch(() => undefined);
    const running = asked?.ok === true ? asked : undefined;
    const found: ModuleStatus[] = [];
    for (const { module: name = 'default', installer } of selected(agent.modules, values)) {
      const key = name === 'default' ? '' : name;
      found.push({
        module: name,
        installer: installer.kind,
        ...(await installer.status()),
        update: content.entries[key] ?? null,
        pinned: content.pins[key] ?? null,
        waiting: running?.updates.find(({ module }) => module === name) ?? null,
      });
    }
    const all = { schema: 1, ok: true, agent: running === undefined ? null : { pid: running.pid } };
    if (json) printJson({ ...all, modules: found }, 2);
    else print(text(found));
  },

  async confirm({ agent }, options) {
    const done = await each(agent.modules, options, async (installer) => {
      await installer.markGood();
    });
    if (options.json) printJson({ schema: 1, ok: true, modules: done }, 2);
  },

  async rollback({ agent }, options) {
    const { content } = await lookAtRecord(agent.record);
    // All are looked at before the first is changed: modules are rolled back together or not at all.
    const leaving = new Map<Installer, string>();
    for (const { module = 'default', installer } of selected(agent.modules, options.values)) {
      const entry = content.entries[module === 'default' ? '' : module];
      leaving.set(installer, slotToLeave(module, await installer.status(), entry));
    }
    const done = await each(agent.modules, options, async (installer) => {
      await installer.markBad(leaving.get(installer) as string);
    });
    if (options.values.restart === true) {
      for (const installer of leaving.keys()) await installer.reboot();
    }
    // One document, of success or of failure.
    if (options.json) printJson({ schema: 1, ok: true, modules: done }, 2);
  },
};

/**
 * An update that has not started, as far as anybody can say, is taken back: what it came from is the only slot that
 * was proven, and must not be the one that is left.
 */
function slotToLeave(
  module: string,
  { booted, next, slots }: InstallerStatus,
  entry: UpdateEntry | undefined,
): string {
  const isUpdated = entry !== undefined && isUnderWay(entry);
  if (isUpdated && entry.slotFrom === booted && entry.slotTo === next && next !== booted) {
    return next;
  }
  const other = slots.find(({ name, state }) => name !== booted && state !== 'bad');
  if (other !== undefined) return booted;
  const why = `${module}: there is no slot to fall back to from ${booted}`;
  throw new CommandError('ERR_INVALID_STATE', why);
}

/** @returns what programs read; people read it at once, because a restart may end this process */
async function each(
  modules: readonly UpdateModule[] | undefined,
  { json, values }: CommandOptions,
  act: (installer: Installer) => Promise<void>,
): Promise<readonly object[]> {
  const done: object[] = [];
  for (const { module = 'default', installer } of selected(modules, values)) {
    await act(installer);
    const { booted, next } = await installer.status();
    done.push({ module, booted, next });
    if (!json) print(printableLine(`${module}: ${booted} runs, the next start takes ${next}`));
  }
  return done;
}

function selected(
  modules: readonly UpdateModule[] | undefined,
  { module: wanted }: Given<typeof own>,
): readonly UpdateModule[] {
  if (wanted === undefined) return modules ?? [];
  const found = (modules ?? []).filter(({ module = 'default' }) => module === wanted);
  if (found.length > 0) return found;
  throw new UsageError(`the configuration has no module ${wanted}`);
}

function text(found: readonly ModuleStatus[]): string {
  return found.map(textOf).join('\n\n');
}

function textOf(status: ModuleStatus): string {
  const { module, installer, booted, next, slots, update, pinned, waiting } = status;
  const lines = slots.map(({ name, state, version }) => {
    const marks = [name === booted ? 'runs' : '', name === next ? 'next' : ''].filter(Boolean);
    const found = `${name.padEnd(16)} ${state.padEnd(8)} ${(version ?? '').padEnd(16)}`;
    return `  ${printableLine(found)} ${marks.join(', ')}`;
  });
  return [
    `${module} (${installer})`,
    ...lines.map((line) => line.trimEnd()),
    ...(pinned === null ? [] : [`  kept to ${printableLine(pinned)}`]),
    ...(update === null ? [] : [updateLine(update)]),
    ...(waiting === null ? [] : [`  waits for consent: ${waitingText(waiting)}`]),
  ].join('\n');
}

export function waitingText({ from, version, step, size }: Waiting): string {
  const way = from === '' ? version : `${from} -> ${version}`;
  return printableLine(`${way}, ${step}, ${size} bytes`);
}

function updateLine({ from, version, phase, reason }: UpdateEntry): string {
  const way = from === '' ? version : `${from} -> ${version}`;
  const why = reason === '' ? '' : `: ${reason}`;
  return printableLine(`  update ${way}: ${phase}${why}`);
}
