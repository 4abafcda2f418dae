import type { RecordKind } from './store';

type Member = readonly [name: string, type: 'string' | 'number' | 'object' | 'array'];

const KEY: readonly Member[] = [
  ['productKey', 'string'],
  ['deviceName', 'string'],
];
const DIGESTS: readonly Member[] = [
  ['id', 'string'],
  ['productKey', 'string'],
  ['size', 'number'],
  ['md5', 'string'],
  ['sha256', 'string'],
];

/** What a record of each kind has at least. */
const SHAPES: Readonly<Record<RecordKind, readonly Member[]>> = {
  device: [...KEY, ['deviceSecret', 'string'], ['versions', 'object']],
  product: [
    ['productKey', 'string'],
    ['productSecret', 'string'],
  ],
  token: [...KEY, ['clientId', 'string'], ['deviceToken', 'string']],
  certificate: [...KEY, ['serial', 'string'], ['fingerprint', 'string'], ['notAfter', 'number']],
  authority: [
    ['id', 'string'],
    ['certificate', 'string'],
    ['notAfter', 'number'],
  ],
  relation: [...KEY, ['gateway', 'object']],
  firmware: [...DIGESTS, ['version', 'string']],
  config: DIGESTS,
  log: [...KEY, ['number', 'number'], ['receivedAt', 'number'], ['entries', 'array']],
  'log-wish': KEY,
  upgrade: [
    ['id', 'string'],
    ['firmwareId', 'string'],
    ['version', 'string'],
  ],
  task: [...KEY, ['upgradeId', 'string'], ['state', 'string'], ['history', 'array']],
  file: [
    ['folder', 'string'],
    ['id', 'string'],
  ],
};

/** The record of a text, or what is wrong with it. */
export function readRecord(
  kind: RecordKind,
  text: string,
): { readonly record: object } | { readonly flaw: string } {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return { flaw: 'it is not JSON' };
  }
  if (typeOf(record) !== 'object') return { flaw: 'it is no object' };
  const members = record as Readonly<Record<string, unknown>>;
  const missing = SHAPES[kind].find(([name, type]) => typeOf(members[name]) !== type);
  return missing === undefined
    ? { record: members }
    : { flaw: `its ${missing[0]} is missing or no ${missing[1]}` };
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
}
