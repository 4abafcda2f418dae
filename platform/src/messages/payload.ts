import { isUtf8 } from 'node:buffer';
import { invalid } from '../base/errors';

/** How a payload stands in JSON: as text, or as base64 where its bytes are no text. */
export type PayloadEncoding = 'utf8' | 'base64';

/** A payload in JSON. */
export interface JsonPayload {
  readonly payload: string;
  readonly encoding: PayloadEncoding;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function toJson(payload: Buffer): JsonPayload {
  const encoding = isUtf8(payload) ? 'utf8' : 'base64';
  return { payload: payload.toString(encoding), encoding };
}

/** Throws ERR_INVALID_ARGUMENT for what is not base64 and should be. */
export function fromJson({ payload, encoding = 'utf8' }: Partial<JsonPayload>): Buffer {
  const text = payload ?? '';
  if (encoding === 'base64' && !BASE64.test(text)) throw invalid('payload must be base64');
  return Buffer.from(text, encoding);
}
