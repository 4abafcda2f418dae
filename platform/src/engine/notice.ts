import { type KeyObject, sign } from 'node:crypto';
import type { NoticeFault } from '../fault-types';
import type { Firmware } from '../types';

/** What an upgrade message carries in `data`. */
export interface NoticeData {
  readonly size: number;
  readonly version: string;
  readonly url: string;
  readonly sign: string;
  readonly signMethod: string;
  readonly md5?: string;
  readonly isDiff?: 1;
  readonly module?: string;
  readonly digestsign?: string;
  readonly extData?: Readonly<Record<string, string>>;
}

/** `signingKey`, when given, signs the raw bytes of the digest (RSA PKCS#1 v1.5, SHA-256). */
export function noticeData(firmware: Firmware, url: string, signingKey?: KeyObject): NoticeData {
  const digest = firmware.signMethod === 'MD5' ? firmware.md5 : firmware.sha256;
  return {
    size: firmware.size,
    version: firmware.version,
    ...(firmware.isDiff && { isDiff: 1 as const }),
    url,
    ...(firmware.signMethod === 'MD5' && { md5: firmware.md5 }),
    sign: digest,
    signMethod: firmware.signMethod,
    ...(signingKey && {
      digestsign: sign('sha256', Buffer.from(digest, 'hex'), signingKey).toString('base64'),
    }),
    ...(firmware.module !== undefined && { module: firmware.module }),
    ...(firmware.extData !== undefined && { extData: firmware.extData }),
  };
}

/** Payload of a push: `code` is a string and `id` a number. */
export function pushPayload(id: number, data: NoticeData | Record<string, never>): string {
  return JSON.stringify({ code: '1000', data, id, message: 'success' });
}

/**
 * Payload of the answer to `thing.ota.firmware.get`: `code` is a number, `id` that of the request.
 */
export function replyPayload(
  id: string | number,
  data: NoticeData | Record<string, never>,
): string {
  return JSON.stringify({ id, code: 200, data });
}

/** Answer to a request that cannot be read; 460 is the platform's "request parameter error". */
export function errorReplyPayload(id: string | number | undefined, reason: string): string {
  return JSON.stringify({ id: id ?? '', code: 460, message: reason, data: {} });
}

/** The data of a notice, made wrong. */
export function spoilData(data: NoticeData, fault: NoticeFault): NoticeData {
  switch (fault.kind) {
    case 'notice-digest': {
      const wrong = otherDigest(data.sign);
      return { ...data, sign: wrong, ...(data.md5 !== undefined && { md5: wrong }) };
    }
    case 'notice-size':
      return { ...data, size: data.size + fault.delta };
    case 'notice-patch': {
      const members = Object.entries({ ...data, ...fault.data });
      return Object.fromEntries(
        members.filter(([, value]) => value !== null),
      ) as unknown as NoticeData;
    }
    default:
      return data;
  }
}

/** The payload of a notice, made wrong. */
export function spoilPayload(payload: string, fault: NoticeFault): string {
  if (fault.kind !== 'notice-malformed') return payload;
  return fault.payload ?? payload.slice(0, payload.length >> 1);
}

function otherDigest(hex: string): string {
  const first = hex.startsWith('0') ? '1' : '0';
  return first + hex.slice(1);
}
