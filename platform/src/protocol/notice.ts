import { type KeyObject, sign } from 'node:crypto';
import type { NoticeFault } from '../faults/fault-types';
import type { Firmware, FirmwareFile, SignMethod } from '../types/firmware';

/** One of several files, as an upgrade message has it. */
export interface NoticeFile {
  readonly fileSize: number;
  readonly fileName: string;
  readonly fileUrl: string;
  readonly fileSign: string;
  readonly fileMd5?: string;
}

/**
 * What an upgrade message carries in `data`. An image has size and sign, and either a url or, over
 * MQTT, a stream; several files have their own.
 */
export interface NoticeData {
  readonly size?: number;
  readonly version: string;
  readonly url?: string;
  readonly sign?: string;
  readonly signMethod: string;
  readonly md5?: string;
  readonly dProtocol?: 'mqtt';
  readonly streamId?: number;
  readonly streamFileId?: number;
  readonly files?: readonly NoticeFile[];
  readonly isDiff?: 1;
  readonly module?: string;
  readonly digestsign?: string;
  readonly extData?: Readonly<Record<string, string>>;
}

/** As the wire has them; the documents say MD5 and SHA256, and the vendor's SDK refuses `MD5`. */
export const WIRE_METHODS: Readonly<Record<SignMethod, string>> = { MD5: 'Md5', SHA256: 'Sha256' };

/** The one file of an upgrade over MQTT. */
export const STREAM_FILE_ID = 1;

/** How the bytes get to the device. */
export interface Carriage {
  /** Makes the address of an image or a file by its id. */
  readonly url: (id: string) => string;
  /** Over MQTT instead. */
  readonly streamId?: number;
  /** Signs the raw bytes of the digest (RSA PKCS#1 v1.5, SHA-256). */
  readonly signingKey?: KeyObject | undefined;
}

export function noticeData(firmware: Firmware, carriage: Carriage): NoticeData {
  const { files, signMethod } = firmware;
  return {
    version: firmware.version,
    ...(firmware.isDiff && { isDiff: 1 as const }),
    signMethod: WIRE_METHODS[signMethod],
    ...(files === undefined
      ? imageData(firmware, carriage)
      : { files: files.map((file) => fileData(file, signMethod, carriage)) }),
    ...(firmware.module !== undefined && { module: firmware.module }),
    ...(firmware.extData !== undefined && { extData: firmware.extData }),
  };
}

function imageData(
  firmware: Firmware,
  { url, streamId, signingKey }: Carriage,
): Partial<NoticeData> {
  const digest = firmware.signMethod === 'MD5' ? firmware.md5 : firmware.sha256;
  return {
    size: firmware.size,
    ...(streamId === undefined
      ? { url: url(firmware.id) }
      : { dProtocol: 'mqtt', streamId, streamFileId: STREAM_FILE_ID }),
    ...(firmware.signMethod === 'MD5' && { md5: firmware.md5 }),
    sign: digest,
    ...(signingKey && {
      digestsign: sign('sha256', Buffer.from(digest, 'hex'), signingKey).toString('base64'),
    }),
  };
}

function fileData(file: FirmwareFile, signMethod: SignMethod, { url }: Carriage): NoticeFile {
  const isMd5 = signMethod === 'MD5';
  return {
    fileSize: file.size,
    fileName: file.name,
    fileUrl: url(file.id),
    ...(isMd5 && { fileMd5: file.md5 }),
    fileSign: isMd5 ? file.md5 : file.sha256,
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
  return JSON.stringify({ id, code: 200, data, message: 'success' });
}

/** Answer to a request that cannot be read; 460 is the platform's "request parameter error". */
export function errorReplyPayload(id: string | number | undefined, reason: string): string {
  return JSON.stringify({ id: id ?? '', code: 460, message: reason, data: {} });
}

/** The data of a notice, made wrong. */
export function faultyData(data: NoticeData, fault: NoticeFault): NoticeData {
  switch (fault.kind) {
    case 'notice-digest': {
      if (data.files !== undefined) return changeFirst(data, data.files, wrongFile);
      const wrong = otherDigest(data.sign ?? '');
      return { ...data, sign: wrong, ...(data.md5 !== undefined && { md5: wrong }) };
    }
    case 'notice-size': {
      const { delta } = fault;
      if (data.files === undefined) return { ...data, size: (data.size ?? 0) + delta };
      return changeFirst(data, data.files, (file) => ({
        ...file,
        fileSize: file.fileSize + delta,
      }));
    }
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
export function faultyPayload(payload: string, fault: NoticeFault): string {
  if (fault.kind !== 'notice-malformed') return payload;
  return fault.payload ?? payload.slice(0, payload.length >> 1);
}

function changeFirst(
  data: NoticeData,
  [first, ...rest]: readonly NoticeFile[],
  change: (file: NoticeFile) => NoticeFile,
): NoticeData {
  return first === undefined ? data : { ...data, files: [change(first), ...rest] };
}

function wrongFile(file: NoticeFile): NoticeFile {
  const wrong = otherDigest(file.fileSign);
  return { ...file, fileSign: wrong, ...(file.fileMd5 !== undefined && { fileMd5: wrong }) };
}

function otherDigest(hex: string): string {
  const first = hex.startsWith('0') ? '1' : '0';
  return first + hex.slice(1);
}
