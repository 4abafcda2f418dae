import type { RemoteConfig } from '../types/config';
import { BadMessage, isMessageId, isObject, parseEnvelope, parseJson } from './messages';
import { WIRE_METHODS } from './notice';

type Id = string | number;

/** Answers that carry no configuration: the platform's own codes. */
export const CODE_PARAMETERS = 460;
export const CODE_NO_CONFIG = 6710;

/** Characters kept of a device's words. */
const MAX_MESSAGE = 1024;

/** A device's answer to a push. */
export interface PushReply {
  readonly id: string;
  readonly code: number;
  readonly message: string | undefined;
}

/** The id of a request; throws when it is not for the product's file. */
export function parseConfigGet(payload: Buffer): Id {
  const { id, params } = parseEnvelope(payload);
  if (params.configScope !== 'product') {
    throw new BadMessage('params.configScope must be "product"', id);
  }
  if (params.getType !== 'file') throw new BadMessage('params.getType must be "file"', id);
  return id;
}

export function parsePushReply(payload: Buffer): PushReply {
  const reply = parseJson(payload);
  if (!isObject(reply)) throw new BadMessage('the payload is not an object');
  const { id, code, message } = reply;
  if (!isMessageId(id)) throw new BadMessage('id must be a decimal number 0…4294967295');
  if (!Number.isInteger(code)) throw new BadMessage('code must be a whole number', id);
  return {
    id: String(id),
    code: code as number,
    message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE) : undefined,
  };
}

/** What a get_reply carries in `data` and a push in `params`. */
function body(config: RemoteConfig, url: string) {
  const isMd5 = config.signMethod === 'MD5';
  return {
    configId: config.id,
    configSize: config.size,
    sign: isMd5 ? config.md5 : config.sha256,
    signMethod: WIRE_METHODS[config.signMethod],
    url,
    getType: 'file',
  };
}

export function configReplyPayload(id: Id, config: RemoteConfig, url: string): string {
  return JSON.stringify({ id, code: 200, data: body(config, url), message: 'success' });
}

export function configErrorPayload(id: Id | undefined, code: number, message: string): string {
  return JSON.stringify({ id: id ?? '', code, message, data: {} });
}

export function configPushPayload(id: string, config: RemoteConfig, url: string): string {
  const params = body(config, url);
  return JSON.stringify({ id, version: '1.0', params, method: 'thing.config.push' });
}
