import type { DeviceKey } from '../types/device';
import { BadMessage, isMessageId, isObject, parseJson } from './messages';

type Id = string | number;
type JsonObject = Readonly<Record<string, unknown>>;

/** Codes of the platform in answers to gateways, and in what ends a session. */
export const CODE = {
  success: 200,
  signature: 401,
  elsewhere: 427,
  tooFast: 429,
  parameters: 460,
  failed: 500,
  noSession: 520,
  deleted: 521,
  disabled: 522,
  noDevice: 6100,
  deviceDisabled: 6204,
  noProduct: 6250,
  badName: 6280,
  loginSignature: 6287,
  switchedOff: 6288,
  tooMany: 6400,
  noRelation: 6401,
  isItself: 6402,
  bound: 6619,
} as const;

/** What happened to sub-devices, in `thing/topo/change`. */
export const CHANGE = { created: 0, deleted: 1, enabled: 2, disabled: 8 } as const;

/** A request of a gateway, whatever it asks for. */
export interface GatewayRequest {
  readonly id: Id;
  /** An object or a list. */
  readonly params: unknown;
  readonly wantsReply: boolean;
}

/** A sub-device with the proof that its gateway has its secret. */
export interface Claim extends DeviceKey {
  readonly clientId: string;
  readonly timestamp: string | undefined;
  readonly signMethod: string;
  readonly sign: string;
}

/** A sub-device that is registered by the secret of its product. */
export interface ProductClaim extends DeviceKey {
  readonly random: string;
  readonly signMethod: string;
  readonly sign: string;
}

/** The vendor's SDK writes `params` as a text in one request. */
export function parseGatewayRequest(payload: Buffer): GatewayRequest {
  const message = parseJson(payload);
  if (!isObject(message)) throw new BadMessage('the payload is not an object');
  const { id, sys } = message;
  if (!isMessageId(id)) throw new BadMessage('id must be a decimal number 0…4294967295');
  const params = paramsOf(message.params, id);
  const wantsReply = !isObject(sys) || Number(sys.ack ?? 1) !== 0;
  return { id, params, wantsReply };
}

function paramsOf(params: unknown, id: Id): unknown {
  if (typeof params !== 'string') return params ?? {};
  try {
    return parseJson(Buffer.from(params));
  } catch {
    throw new BadMessage('params must be an object or a list', id);
  }
}

/** The devices of a request, 1…`most`; one alone may stand without a list around it. */
export function parseDevices({ id, params }: GatewayRequest, most: number): DeviceKey[] {
  return listOf(params, id, most).map((member) => keyOf(member, id));
}

/** As `parseDevices`, each with its proof. `signMethod` may stand beside the list. */
export function parseClaims({ id, params }: GatewayRequest, most: number): Claim[] {
  const common = isObject(params) ? methodOf(params) : undefined;
  return listOf(params, id, most).map((member) => {
    const { clientId, timestamp, sign } = member;
    const signMethod = methodOf(member) ?? common;
    if (typeof clientId !== 'string' || clientId === '') throw missing('clientId', id);
    if (typeof sign !== 'string' || sign === '') throw missing('sign', id);
    if (signMethod === undefined) throw missing('signMethod', id);
    return { ...keyOf(member, id), clientId, sign, signMethod, timestamp: textOf(timestamp) };
  });
}

/** As `parseDevices`, each with its product's signature. */
export function parseProductClaims({ id, params }: GatewayRequest, most: number): ProductClaim[] {
  const list = isObject(params) ? params.proxieds : params;
  return listOf(list, id, most).map((member) => {
    const { random, sign } = member;
    const signMethod = methodOf(member);
    if (typeof sign !== 'string' || sign === '') throw missing('sign', id);
    if (signMethod === undefined) throw missing('signMethod', id);
    return { ...keyOf(member, id), random: textOf(random) ?? '', sign, signMethod };
  });
}

function listOf(params: unknown, id: Id, most: number): JsonObject[] {
  const list = isObject(params) && params.deviceList !== undefined ? params.deviceList : params;
  const members = Array.isArray(list) ? list : [list];
  if (members.length < 1 || members.length > most) {
    throw new BadMessage(`there must be 1-${most} devices`, id);
  }
  if (!members.every(isObject)) throw new BadMessage('each device must be an object', id);
  return members;
}

function keyOf({ productKey, deviceName }: JsonObject, id: Id): DeviceKey {
  if (typeof productKey !== 'string' || productKey === '') throw missing('productKey', id);
  if (typeof deviceName !== 'string' || deviceName === '') throw missing('deviceName', id);
  return { productKey, deviceName };
}

/** Two spellings, one for each kind of request in the documents. */
function methodOf({ signMethod, signmethod }: JsonObject): string | undefined {
  const method = signMethod ?? signmethod;
  return typeof method === 'string' && method !== '' ? method : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function missing(name: string, id: Id): BadMessage {
  return new BadMessage(`${name} of a device is missing`, id);
}

/** The vendor's SDK wants all four members. */
export function gatewayReply(id: Id, code: number, message: string, data: object): string {
  return JSON.stringify({ id, code, message, data });
}

export function kickPayload(id: string, code: number, message: string, sub: DeviceKey): string {
  return JSON.stringify({ id, code, message, data: namesOf(sub) });
}

export function changePayload(id: string, status: number, subs: readonly DeviceKey[]): string {
  const params = { status, subList: subs.map(namesOf) };
  return JSON.stringify({ id, version: '1.0', params, method: 'thing.topo.change' });
}

export function proposalPayload(id: string, subs: readonly DeviceKey[]): string {
  const params = subs.map(namesOf);
  return JSON.stringify({ id, version: '1.0', params, method: 'thing.topo.add.notify' });
}

/** The gateway may let devices of a product join for so many seconds. */
export function permitPayload(id: string, productKey: string, timeout: number): string {
  const params = { productKey, timeout };
  return JSON.stringify({ id, version: '1.0', params, method: 'thing.gateway.permit' });
}

export function switchPayload(id: string, action: string): string {
  return JSON.stringify({ id, version: '1.0', params: {}, method: `thing.${action}` });
}

/** A device's names and nothing else of it. */
export function namesOf({ productKey, deviceName }: DeviceKey): DeviceKey {
  return { productKey, deviceName };
}
