// Tested by platform/test/cli/device-messages.test.ts

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type {
  CallAnswer,
  DeviceProperty,
  JsonPayload,
  PlatformEvents,
  Publication,
} from '../index';
import { invalid, messageOf, NotSucceededError } from './errors';
import { connect } from './find-server';
import { type CommonOptions, milliseconds, wholeNumber, withServer } from './flags';
import { print, table } from './output';
import { inJson, toJson } from './printable';

export type PayloadOptions = CommonOptions & { readonly file?: string };
type Message = Omit<PlatformEvents['message'], 'payload'> & JsonPayload & { readonly type: string };
type Answer = Omit<CallAnswer, 'payload'> & JsonPayload;

/** `device publish`, `device watch`, `device properties`, `device call` */
export function addDeviceMessages(command: Command): void {
  const publish = command.command('publish <productKey> <deviceName> <topic> [payload]');
  withServer(publish.description('publish a message to a device'))
    .option('--qos <level>', '0 or 1 (default: 0)', wholeNumber)
    .option('--file <path>', 'the payload is what this file has')
    .addHelpText('after', TOPIC_TEXT)
    .action(devicePublish);
  const watch = command.command('watch <productKey> <deviceName> [filter]');
  withServer(watch.description('print what a device publishes, until interrupted'))
    .option('--count <messages>', 'end after so many', wholeNumber)
    .addHelpText('after', TOPIC_TEXT)
    .action(deviceWatch);
  withServer(
    command
      .command('properties <productKey> <deviceName>')
      .description('print the properties that a device has posted last'),
  ).action(deviceProperties);
  const call = command.command('call <productKey> <deviceName> [payload]');
  withServer(call.description('call a device and print its answer (RRPC)'))
    .option('--topic <topic>', "the device's own topic for calls (default: the system's)")
    .option('--timeout <time>', 'how long the answer is awaited, as 500ms or 8s', milliseconds)
    .option('--file <path>', 'the payload is what this file has')
    .addHelpText('after', TOPIC_TEXT)
    .action(deviceCall);
}

const TOPIC_TEXT = `
A topic that does not start with "/" is below /<productKey>/<deviceName>/, as user/get is.`;

async function devicePublish(
  productKey: string,
  deviceName: string,
  topic: string,
  payload: string | undefined,
  options: PayloadOptions & { readonly qos?: number },
): Promise<void> {
  const body = {
    topic: absolute(productKey, deviceName, topic),
    ...(await payloadOf(payload, options)),
    ...(options.qos !== undefined && { qos: options.qos }),
  };
  const client = await connect(options);
  const path = `${pathOf(productKey, deviceName)}/publish`;
  const publication = await client.post<Publication>(path, body);
  print(options, publication, () =>
    table([
      ['DEVICE', 'TOPIC', 'STATE'],
      [publication.deviceName, publication.topic, publication.state],
    ]),
  );
  if (publication.state !== 'offline') return;
  throw new NotSucceededError(`${deviceName} is not connected, or has not subscribed`);
}

async function deviceWatch(
  productKey: string,
  deviceName: string,
  filter: string | undefined,
  options: CommonOptions & { readonly count?: number },
): Promise<void> {
  const client = await connect(options);
  // Whether there is such a device.
  await client.get(pathOf(productKey, deviceName));
  const ended = new AbortController();
  const { signal } = ended;
  // Whoever read this has gone.
  process.stdout.once('error', () => ended.abort());
  const query = new URLSearchParams({ type: 'message', productKey, deviceName });
  if (filter !== undefined) query.set('filter', absolute(productKey, deviceName, filter));
  const messages = await client.events(signal, `?${query}`);
  process.stderr.write(`watching ${deviceName}\n`);
  let left = options.count ?? Number.POSITIVE_INFINITY;
  try {
    for await (const message of messages) {
      await write(lineOf(message as Message, options.json === true), signal);
      left -= 1;
      if (left <= 0) break;
    }
  } finally {
    ended.abort();
  }
}

async function deviceCall(
  productKey: string,
  deviceName: string,
  payload: string | undefined,
  options: PayloadOptions & { readonly topic?: string; readonly timeout?: number },
): Promise<void> {
  const { topic, timeout } = options;
  const body = {
    ...(await payloadOf(payload, options)),
    ...(topic !== undefined && { topic: absolute(productKey, deviceName, topic) }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
  };
  const client = await connect(options);
  const answer = await client.post<Answer>(`${pathOf(productKey, deviceName)}/call`, body);
  if (options.json) print(options, answer, () => '');
  else process.stdout.write(shown(answer));
}

function pathOf(productKey: string, deviceName: string): string {
  return `/devices/${encodeURIComponent(productKey)}/${encodeURIComponent(deviceName)}`;
}

function absolute(productKey: string, deviceName: string, topic: string): string {
  return topic.startsWith('/') ? topic : `/${productKey}/${deviceName}/${topic}`;
}

async function deviceProperties(
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const path = `${pathOf(productKey, deviceName)}/properties`;
  const { properties } = await client.get<{ properties: Record<string, DeviceProperty> }>(path);
  print(options, properties, () =>
    table([
      ['PROPERTY', 'VALUE', 'TIME'],
      ...Object.entries(properties).map(([name, { value, time }]) => [
        name,
        toJson(value),
        new Date(time).toISOString(),
      ]),
    ]),
  );
}

/** The payload as the API takes it: an argument is text, a file may be anything. */
export async function payloadOf(
  argument: string | undefined,
  { file }: PayloadOptions,
): Promise<JsonPayload> {
  if ((argument === undefined) === (file === undefined)) {
    throw invalid('give the payload as an argument, or a file with --file');
  }
  if (file === undefined) return { payload: argument ?? '', encoding: 'utf8' };
  try {
    return { payload: (await readFile(file)).toString('base64'), encoding: 'base64' };
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

/** Waits while the reader does not keep up: the platform ends a stream that is too far behind. */
async function write(line: string, signal: AbortSignal): Promise<void> {
  if (process.stdout.write(line) || signal.aborted) return;
  await once(process.stdout, 'drain', { signal }).catch(() => undefined);
}

function lineOf(message: Message, isJson: boolean): string {
  if (isJson) return `${toJson(message)}\n`;
  const { time, topic, payload, encoding } = message;
  const text = encoding === 'utf8' ? toJson(payload) : `base64 ${payload}`;
  return `${new Date(time).toISOString()} ${inJson(topic)} ${text}\n`;
}

/** An answer as it came; on a terminal, a line without what would steer it. */
function shown({ payload, encoding }: JsonPayload): Buffer | string {
  const bytes = Buffer.from(payload, encoding);
  if (!process.stdout.isTTY) return bytes;
  return `${encoding === 'utf8' ? toJson(payload) : `base64 ${payload}`}\n`;
}
