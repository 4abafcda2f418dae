// Tested by test/integration/install-command.test.ts
/**
 * `iotkit-ota install`: an image from a file or a URL, installed as the agent would if the platform had
 * announced it: by its record, installer, rules and hooks. See docs/agent.md.
 */
import { existsSync } from 'node:fs';
import type { UpdateAgent } from '../install/agent';
import type { UpdateModule } from '../install/agent-options';
import { isUnderWay, lookAtRecord, type UpdateEntry } from '../install/record';
import type { FetchOptions } from '../options/fetch';
import { type AgentConfig, readConfig } from './agent/config';
import { examineConfig } from './agent/examine';
import { holderOf } from './agent/holder';
import { readOptions, type UpdateCommand } from './agent/options';
import type { Given } from './arguments';
import { ending } from './command';
import { CommandError, UsageError } from './errors';
import { exitCodes } from './exit-codes';
import { type ImageNotice, noticeOf, readDescription, sizeOf } from './image/described';
import { FileServer } from './image/file-server';
import { LocalPlatform, nobody } from './image/local-platform';
import { type Installed, LocalUpdate } from './image/local-update';
import { remoteSize } from './image/remote-size';
import { complain, print, printJson } from './output';
import { printableLine } from './printable';
import { ProgressLine } from './progress-line';
import { stoppable } from './signals';

const usage = `Usage: iotkit-ota install <file | url> [options]

Installs an image with the installer of the agent's configuration, and restarts into it: with the
same record, rules, hooks and checks as an upgrade that the platform has announced. The agent then
confirms it, or rolls it back. No agent may run meanwhile.

  --version <version>    of the image
  --sha256 <digest>      of the image, 64 hexadecimal digits
  --size <bytes>         of the image (that of the file; the server is asked)
  --signature <base64>   of the digest, or a file with it
  --description <file>   JSON with members of the platform's notice, instead of these options:
                         version, module, size, sign, signMethod, digestsign, …
                         (<file>.json, if it is there)
  --module <name>        the module that it is for (the default one)
  --accept               for policy.consent: the user at the machine consents
  --no-restart           the next start takes it, whenever that is
  --config <file>        the configuration of the agent (/etc/iotkit-ota/agent.toml or .json)
  --json                 prints JSON
  --help

A digest has to be there: by --sha256, or in a description whose signature device.verify.publicKeys
verify; <file>.json says version and module only where it is signed. SIGINT, SIGTERM and SIGHUP end
it; the next call begins where that is possible.
Exit codes: 0 the next start takes it, 1 it failed, 2 wrong usage or configuration, 65 the image is
refused, 66 a file is not there, 69 a server or a program is not there, 73 the disk, 75 an agent runs
or another update is under way, 77 a rule forbids it, 129 SIGHUP, 130 SIGINT, 143
SIGTERM`;

const text = { type: 'string' } as const;
const own = {
  version: text,
  sha256: text,
  size: text,
  signature: text,
  description: text,
  module: text,
  accept: { type: 'boolean' },
  'no-restart': { type: 'boolean' },
} as const;

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args, own, { usage, words: ['<file | url>'] });
  if (typeof options === 'number') return options;
  const { json } = options;
  return ending('install', json, async () => {
    const config = readConfig(options.config, examineConfig);
    const done = await stoppable((signal) => install(config, options, signal));
    if (json) printJson({ schema: 1, ok: true, ...done });
    else print(sentenceOf(done));
    return exitCodes.done;
  });
}

function sentenceOf({ module, version, slot, restarts }: Installed): string {
  const next = restarts
    ? 'and is being restarted into; the agent confirms it'
    : 'and is what the next start takes';
  return printableLine(`${module} ${version}: installed in ${slot}, ${next}`);
}

async function install(
  config: AgentConfig,
  { words: [image = ''], values, json }: UpdateCommand<typeof own>,
  signal: AbortSignal,
): Promise<Installed> {
  const isUrl = /^https?:\/\//i.test(image);
  if (!isUrl && /^[a-z][a-z\d+.-]*:\/\//i.test(image)) {
    throw new UsageError(`takes a file, or a URL of http or https, not ${image.split(':', 1)[0]}`);
  }
  const { verify } = config.device;
  const notice = noticeOf(values, descriptionOf(image, isUrl, values), {
    isVerified: verify?.publicKeys !== undefined,
    isNamed: values.description !== undefined,
  });
  const module = moduleOf(config, notice.module);
  const line = new ProgressLine(!json);
  const update = new LocalUpdate(module, {
    accepts: values.accept === true,
    restarts: values['no-restart'] !== true,
    line,
    say: (message) => {
      line.end();
      if (!json) complain(message);
    },
    signal,
  });
  const agent = await openAgent(config, update);
  let server: FileServer | undefined;
  let platform: LocalPlatform | undefined;
  try {
    if (config.agent.together !== undefined && config.agent.together !== false) {
      await expectOthersEnded(config, module);
    }
    await expectReady(agent, module, notice);
    // Before it comes into the record, which would say that it goes on.
    if (config.agent.policy?.consent !== undefined && values.accept !== true) {
      const why = "policy.consent wants a user's consent: give it with --accept";
      throw new CommandError('ERR_CONSENT', why);
    }
    const source = isUrl ? undefined : await FileServer.open(image, (error) => update.fail(error));
    server = source?.server;
    const given = notice.size ?? source?.size ?? (await remoteSize(image, fetchOf(config), signal));
    platform = await openPlatform(config, module, server !== undefined);
    const upgrade = await platform.offered({ ...notice, size: given }, server?.url ?? image);
    return await update.run(agent, upgrade);
  } finally {
    line.end();
    await agent.close();
    await platform?.device.close();
    await server?.close();
  }
}

function descriptionOf(image: string, isUrl: boolean, { description, size }: Given<typeof own>) {
  if (size !== undefined) sizeOf(size);
  if (description !== undefined) return readDescription(description);
  const beside = `${image}.json`;
  return !isUrl && existsSync(beside) ? readDescription(beside) : {};
}

function moduleOf({ agent }: AgentConfig, wanted = 'default'): UpdateModule {
  const found = agent.modules?.find(({ module = 'default' }) => module === wanted);
  if (found !== undefined) return found;
  throw new UsageError(`the configuration has no module ${wanted}`);
}

async function openAgent({ agent }: AgentConfig, update: LocalUpdate): Promise<UpdateAgent> {
  const { createUpdateAgent } = require('../install/agent') as typeof import('../install/agent');
  try {
    return await createUpdateAgent({ ...agent, modules: [update.module], device: update.device });
  } catch (error) {
    if (Object(error).code !== 'ERR_INSTALL_BUSY') throw error;
    const who = holderOf(agent.record) ?? 'another process';
    const why = `${who} has the record ${agent.record}: stop the agent, and start it afterwards`;
    throw new CommandError('ERR_INSTALL_BUSY', why);
  }
}

/** Modules that are updated together go on or go back together: none of them is taken out. */
async function expectOthersEnded({ agent }: AgentConfig, { module }: UpdateModule): Promise<void> {
  const { content } = await lookAtRecord(agent.record);
  for (const { module: name = 'default' } of agent.modules ?? []) {
    const entry = content.entries[name === 'default' ? '' : name];
    if (name === (module ?? 'default') || entry === undefined || !isUnderWay(entry)) continue;
    const { version, phase } = entry;
    const why = `the update of ${name} to ${version} is under way (${phase}): let the agent end it`;
    throw new CommandError('ERR_INSTALL_BUSY', why);
  }
}

/** What was begun goes on first, and what runs has to be what is fallen back to. */
async function expectReady(
  agent: UpdateAgent,
  { module, installer }: UpdateModule,
  { sign }: ImageNotice,
): Promise<void> {
  const entry = agent.entry(module);
  const refused = (why: string): CommandError => new CommandError('ERR_INSTALL_BUSY', why);
  if (entry !== undefined && isInTheWay(entry, sign)) {
    const { version, phase } = entry;
    throw refused(`the update to ${version} is under way (${phase}): let the agent end it`);
  }
  const { booted, slots } = await installer.status();
  if (slots.find(({ name }) => name === booted)?.state !== 'trial') return;
  throw refused(`${booted} runs unconfirmed: let the agent confirm it, or iotkit-ota confirm`);
}

function isInTheWay({ phase, digest }: UpdateEntry, sign: string): boolean {
  if (phase === 'downloaded') return digest.value !== sign;
  return phase === 'installed' || phase === 'activated' || phase === 'trial';
}

/** As the device would fetch from another host. */
function fetchOf({ device }: AgentConfig): FetchOptions {
  // There is no platform whose time it could be.
  const { certificateTime: _, ...given } = device.fetch ?? {};
  const ca = given.ca ?? (typeof device.tls === 'object' ? device.tls.ca : undefined);
  return { ...given, ca };
}

/** As the device would fetch and verify it; a file of this machine by no proxy and from no other host. */
async function openPlatform(
  config: AgentConfig,
  module: UpdateModule,
  isFile: boolean,
): Promise<LocalPlatform> {
  const { device, agent } = config;
  const { productKey, deviceName } = { ...nobody, ...device } as typeof nobody;
  const fetch = fetchOf(config);
  // What can fail comes before the device, which keeps the process running until it is closed.
  const running = await runningVersion(module, agent.record);
  const platform = new LocalPlatform({
    ...{ productKey, deviceName },
    fetch: isFile ? { proxy: false, maxSize: fetch.maxSize } : fetch,
    verify: device.verify,
  });
  // What verify.newerOnly compares with.
  if (running !== undefined) {
    const reported = platform.device.ota.reportVersion(running, { module: module.module });
    await closingOnError(platform, reported);
  }
  return platform;
}

async function closingOnError(platform: LocalPlatform, work: Promise<void>): Promise<void> {
  await work.catch(async (error: unknown) => {
    await platform.device.close();
    throw error;
  });
}

async function runningVersion(
  { module = 'default', installer, version }: UpdateModule,
  record: string,
): Promise<string | undefined> {
  if (version !== undefined) return typeof version === 'function' ? version() : version;
  const { content } = await lookAtRecord(record);
  const confirmed = content.confirmed[module === 'default' ? '' : module];
  const { booted, slots } = await installer.status();
  if (confirmed?.slot === booted) return confirmed.version;
  return slots.find(({ name }: { readonly name: string }) => name === booted)?.version;
}
