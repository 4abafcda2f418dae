// Tested by test/integration/agent-command.test.ts
/**
 * `iotkit-ota agent`: a daemon that keeps a machine up to date from a configuration file alone. See
 * docs/agent.md.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { IotkitError } from '../base/errors';
import type { UpdateAgent } from '../install/agent';
import type { UpdateEntry } from '../install/record';
import { type AgentConfig, readConfig } from './agent/config';
import { ControlServer } from './agent/control';
import { untilGivenUp } from './agent/ending';
import { examineConfig } from './agent/examine';
import { holderOf } from './agent/holder';
import { AgentLog } from './agent/log';
import { readOptions } from './agent/options';
import { ServiceManager } from './agent/service';
import { UploadState } from './agent/upload-state';
import { isBad, LogUploads, messageOf } from './agent/uploads';
import { ending } from './command';
import { exitCodeOf, failureJson } from './exit-codes';
import { onWarning, print, printJson } from './output';
import { onEndingSignal } from './signals';

const usage = `Usage: iotkit-ota agent [options]

Keeps this machine up to date: takes upgrades from the platform, installs them, restarts into them,
confirms what is healthy and rolls back what is not. Goes on after a restart, wanted or not.

  --config <file>   its configuration, JSON or TOML, as docs/agent.md describes it
                    (/etc/iotkit-ota/agent.toml, or agent.json there)
  --check           looks at the configuration, prints it with whole paths and without its
                    secrets, and ends
  --json            one JSON object a line instead of text
  --help

SIGTERM, SIGINT and SIGHUP end it; what it was doing goes on with the next start.
Exit codes: 0 ended by a signal, 1 it cannot go on, 2 wrong usage or configuration, 75 another
agent has the record; all of them are in docs/agent.md`;

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args, { check: { type: 'boolean' } }, { usage });
  if (typeof options === 'number') return options;
  const { config: file, json, values } = options;
  if (values.check !== true) {
    return ending('agent', json, () => serve(readConfig(file, examineConfig), json));
  }
  return ending('agent', json, async () => {
    printJson(readConfig(file, examineConfig).effective, 2);
    return 0;
  });
}

/** Until a signal ends it, or the agent cannot go on. */
async function serve(config: AgentConfig, json: boolean): Promise<number> {
  const log = new AgentLog({
    file: logOf(config.agent.record),
    json,
    write: writeLine,
  });
  const ended = new AbortController();
  process.stderr.on('error', unread);
  onWarning((message) => log.warn(message));
  const release = onEndingSignal((signal) => {
    if (!ended.signal.aborted) log.info(`${signal}: ending`);
    ended.abort();
  });
  try {
    await runAgent(config, log, ended.signal);
    return 0;
  } catch (error) {
    const isBusy = Object(error).code === 'ERR_INSTALL_BUSY';
    const holder = isBusy ? holderOf(config.agent.record) : undefined;
    log.error(`${messageOf(error)}${holder === undefined ? '' : `: ${holder}`}`);
    if (json) print(failureJson(error));
    return exitCodeOf(error);
  } finally {
    release();
    process.stderr.off('error', unread);
  }
}

/** Whoever has read the log may have ended, or its disk may be full: that is no reason to end. */
function writeLine(line: string): void {
  try {
    process.stderr.write(`${line}\n`);
  } catch {}
}

const unread = (): void => {};

async function runAgent(config: AgentConfig, log: AgentLog, signal: AbortSignal): Promise<void> {
  const { open } = require('../device/connect') as typeof import('../device/connect');
  const { lockRecord, openAgent } =
    require('../install/agent') as typeof import('../install/agent');
  const service = new ServiceManager(process.env, {
    onError: (message) => log.warn(message),
    // The disk that the record is on.
    isAlive: () => stat(path.dirname(config.agent.record)),
  });
  // Before there is a connection: a second one of the same device would end that of the agent that has the record.
  const lock = await lockRecord(config.agent.record);
  const device = open(config.device);
  try {
    device.on('state', ({ state, error }) => {
      if (error === undefined) log.info(state);
      else log.warn(`${state}: ${error.message}`);
    });
    const internals = { lock: async () => lock };
    const agent = await openAgent({ ...config.agent, device }, internals);
    const control = new ControlServer(agent, config.agent.record, (message) => log.warn(message));
    try {
      const { record, modules = [] } = config.agent;
      const state = new UploadState(`${logOf(record)}.uploaded`);
      const uploads = config.uploadsLog
        ? new LogUploads({ device, agent, modules, log, state, signal })
        : undefined;
      follow(agent, log, service, uploads);
      void service.ready();
      await Promise.race([
        agent.run({ signal }),
        untilGivenUp(device, agent, config.agent.modules),
      ]);
      await uploads?.ended();
    } finally {
      await service.stopping();
      await control.close();
      await agent.close();
    }
  } finally {
    await device.close();
  }
}

function follow(
  agent: UpdateAgent,
  log: AgentLog,
  service: ServiceManager,
  uploads: LogUploads | undefined,
): void {
  /** By module. */
  const last = new Map<string, string>();
  agent.on('state', (entry) => {
    const text = describe(entry);
    // Its counters and what the platform has heard change too.
    if (text !== last.get(entry.module)) {
      last.set(entry.module, text);
      if (isBad(entry)) log.error(text);
      else log.info(text);
      void service.status(text);
    }
    uploads?.follow(entry);
  });
  agent.on('error', (error) => {
    log.error(messageOf(error));
    // It has not come to an entry of the record.
    if (isRefusal(error)) uploads?.failed();
  });
  agent.on('consent', ({ module, version }) => {
    const answer = `iotkit-ota consent --accept --module ${nameOf(module)} --version ${version}`;
    log.info(`${nameOf(module)} ${version} waits for consent: ${answer}`);
  });
}

/** Of an upgrade that the rules of this device, or the base of a difference, do not allow. */
function isRefusal(error: unknown): boolean {
  if (!IotkitError.is(error)) return false;
  return error.code === 'ERR_VERSION_REFUSED' || error.code === 'ERR_DELTA_BASE';
}

function describe(entry: UpdateEntry): string {
  const { module, from, version, phase, slotTo, reason, output } = entry;
  const way = from === '' ? version : `${from} -> ${version}`;
  const where = slotTo === '' ? '' : ` in ${slotTo}`;
  const words = reason.includes(output) ? reason : [reason, output].filter(Boolean).join('\n');
  return `${nameOf(module)} ${way}: ${phase}${where}${words === '' ? '' : `: ${words}`}`;
}

function logOf(record: string): string {
  return `${record}.log`;
}

function nameOf(module: string): string {
  return module === '' ? 'default' : module;
}
