// Tested by platform/test/messages/properties.test.ts

import { BadMessage, isObject, parseEnvelope, parseJson } from './messages';

type Id = string | number;

/** Codes of the platform in answers to posts of properties. */
export const THING_CODE = { success: 200, parameters: 460, tooMany: 6106 } as const;

/** What a device says of one property. */
export interface PostedProperty {
  readonly value: unknown;
  /** When it was so by the device's clock, milliseconds since the epoch; absent where it does not say. */
  readonly time?: number;
}

/** A post of properties (`thing/event/property/post`). */
export interface PropertyPost {
  readonly id: Id;
  readonly properties: ReadonlyMap<string, PostedProperty>;
  readonly wantsReply: boolean;
}

/** A post that is answered with a code of its own. */
export class BadPost extends BadMessage {
  readonly thingCode: number;

  constructor(thingCode: number, reason: string, id: Id) {
    super(reason, id);
    this.thingCode = thingCode;
  }
}

const MAX_PROPERTIES = 200;
/** Of the thing model; one of a module of its own has the module's name before it. */
const IDENTIFIER = /^(?:[A-Za-z_]\w{0,49}:)?[A-Za-z_]\w{0,49}$/;

export function parsePropertyPost(payload: Buffer): PropertyPost {
  const { id, params } = parseEnvelope(payload);
  const entries = Object.entries(params);
  if (entries.length === 0) {
    throw new BadPost(THING_CODE.parameters, 'params must have a property', id);
  }
  if (entries.length > MAX_PROPERTIES) {
    const reason = `params must have at most ${MAX_PROPERTIES} properties`;
    throw new BadPost(THING_CODE.tooMany, reason, id);
  }
  const properties = entries.map(([name, said]) => [name, parseProperty(name, said, id)] as const);
  return { id, properties: new Map(properties), wantsReply: wantsReply(payload) };
}

export function postReplyPayload(id: Id, code: number, message: string): string {
  const method = 'thing.event.property.post';
  return JSON.stringify({ id: String(id), version: '1.0', code, message, data: {}, method });
}

/** A value alone, or with its time beside it. */
function parseProperty(name: string, said: unknown, id: Id): PostedProperty {
  if (!IDENTIFIER.test(name)) {
    const reason =
      'a property is named by 1-50 letters, digits and "_", not beginning with a digit';
    throw new BadPost(THING_CODE.parameters, reason, id);
  }
  if (!isObject(said) || !('value' in said)) return { value: said };
  const { value, time } = said;
  if (time === undefined) return { value };
  if (typeof time === 'number' && Number.isSafeInteger(time) && time >= 0) return { value, time };
  const reason = `params.${name}.time must be milliseconds since 1970`;
  throw new BadPost(THING_CODE.parameters, reason, id);
}

function wantsReply(payload: Buffer): boolean {
  const message = parseJson(payload);
  const sys = isObject(message) ? message.sys : undefined;
  return !isObject(sys) || Number(sys.ack ?? 1) !== 0;
}
