/** What an operator says of a delta in `extData`, so that a device knows it before it downloads. */
import { type DeltaImage, type DeltaInfo, damaged } from './format';

/** The key in `extData`. */
export const EXT_DATA_KEY = 'iotkit.delta.v1';

/** The entry of `extData` for a delta. */
export function asExtData({ base, result }: DeltaInfo): Readonly<Record<string, string>> {
  return { [EXT_DATA_KEY]: JSON.stringify({ base, result }) };
}

/**
 * What `extData` says; undefined: nothing. The platform passes strings, so the entry is JSON in one.
 *
 * @throws {@link IotkitError} `ERR_DELTA_FORMAT` for an entry that is none
 */
export function fromExtData(extData: Readonly<Record<string, unknown>>): DeltaInfo | undefined {
  const entry = extData[EXT_DATA_KEY];
  if (entry === undefined) return undefined;
  const { base, result } = (parsed(entry) ?? {}) as Partial<Record<string, unknown>>;
  if (isImage(base) && isImage(result)) return { base, result };
  throw damaged(`extData.${EXT_DATA_KEY} must be what "iotkit-ota delta info" prints`);
}

function parsed(entry: unknown): unknown {
  if (typeof entry !== 'string') return entry;
  try {
    return JSON.parse(entry);
  } catch {
    return undefined;
  }
}

function isImage(value: unknown): value is DeltaImage {
  if (typeof value !== 'object' || value === null) return false;
  const { size, sha256 } = value as Partial<DeltaImage>;
  return Number.isSafeInteger(size) && /^[0-9a-f]{64}$/.test(String(sha256));
}
