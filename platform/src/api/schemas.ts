// Tested by platform/test/api/api.test.ts

import { FAULT_KINDS } from '../faults/faults';

/** JSON schemas of what the operator API takes. What they let through is checked again inside. */

const name = { type: 'string', minLength: 1, maxLength: 64 } as const;
const names = { type: 'array', items: name, minItems: 1, maxItems: 10_000 } as const;

function object(properties: object, required: readonly string[] = []) {
  return { type: 'object', additionalProperties: false, properties, required } as const;
}

export const deviceBody = object({ productKey: name, deviceName: name, deviceSecret: name }, [
  'productKey',
  'deviceName',
]);

export const deviceBatchBody = object(
  { devices: { type: 'array', items: deviceBody, minItems: 1, maxItems: 1000 } },
  ['devices'],
);

export const deviceParams = object({ productKey: name, deviceName: name }, [
  'productKey',
  'deviceName',
]);

/** `message`: those of devices alone, of which the others select. */
export const eventsQuery = object({
  type: { enum: ['message'] },
  productKey: name,
  deviceName: name,
  filter: { type: 'string', minLength: 1, maxLength: 256 },
});

const topic = { type: 'string', minLength: 1, maxLength: 256 } as const;
/** As long as 256 KiB are in base64. */
const payload = { type: 'string', maxLength: 349_528 } as const;
const encoding = { enum: ['utf8', 'base64'] } as const;

export const publishBody = object({ topic, payload, encoding, qos: { enum: [0, 1] } }, [
  'topic',
  'payload',
]);

export const batchPublishBody = object(
  {
    deviceNames: { type: 'array', items: name, minItems: 1, maxItems: 100 },
    topic,
    payload,
    encoding,
    qos: { enum: [0, 1] },
  },
  ['deviceNames', 'topic', 'payload'],
);

export const broadcastBody = object({ topic, payload, encoding }, ['payload']);

export const callBody = object(
  { payload, encoding, topic, timeoutMs: { type: 'integer', minimum: 1, maximum: 8000 } },
  ['payload'],
);

export const productBody = object(
  {
    productKey: name,
    productSecret: name,
    authentication: { enum: ['secret', 'x509'] },
    dynamicRegistration: { type: 'boolean' },
  },
  ['productKey'],
);

export const switchBody = object({ dynamicRegistration: { type: 'boolean' } }, [
  'dynamicRegistration',
]);

export const tokenParams = object({ productKey: name, deviceName: name, clientId: name }, [
  'productKey',
  'deviceName',
  'clientId',
]);

const subDevices = {
  type: 'array',
  items: object({ productKey: name, deviceName: name }, ['productKey', 'deviceName']),
  minItems: 1,
  maxItems: 2000,
} as const;

export const topologyBody = object({ devices: subDevices }, ['devices']);

export const proposalBody = object(
  { devices: subDevices, timeoutSeconds: { type: 'integer', minimum: 1, maximum: 3600 } },
  ['devices'],
);

const seconds = { type: 'integer', minimum: 1, maximum: 3600 } as const;

export const permitBody = object({ productKey: name, seconds, timeoutSeconds: seconds }, [
  'productKey',
]);

export const certificateBody = {
  anyOf: [object({ days: { type: 'integer', minimum: 1, maximum: 36_500 } }), { type: 'null' }],
} as const;

const pem = { type: 'string', minLength: 1, maxLength: 65_536 } as const;

export const authorityBody = object({ certificate: pem, verification: pem }, [
  'certificate',
  'verification',
]);

export const registeredCertificateBody = object({ certificate: pem }, ['certificate']);

export const serialParams = object({ serial: name }, ['serial']);

export const idParams = object({ id: name }, ['id']);

const digits = { type: 'string', pattern: '^[0-9]{1,15}$' } as const;

export const logsQuery = object({
  since: digits,
  until: digits,
  writtenSince: digits,
  limit: digits,
});

export const wishBody = object({ wanted: { type: 'boolean' } }, ['wanted']);

export const upgradeLogsQuery = object({ device: name });

export const firmwareQuery = object(
  {
    productKey: name,
    version: name,
    module: name,
    signMethod: { enum: ['MD5', 'SHA256'] },
    /** Versions, separated by commas. */
    sourceVersions: { type: 'string', minLength: 1, maxLength: 4096 },
    isDiff: { enum: ['true', 'false'] },
    allowSameVersion: { enum: ['true', 'false'] },
    /** A JSON object of strings. */
    extData: { type: 'string', maxLength: 65_536 },
    /** A JSON array of names and sizes: the files follow one another in the body. */
    files: { type: 'string', maxLength: 65_536 },
  },
  ['productKey', 'version'],
);

export const upgradeBody = object(
  {
    firmwareId: name,
    devices: names,
    timeoutMinutes: { type: 'integer', minimum: 1, maximum: 1440 },
    requireConfirmation: { type: 'boolean' },
    retry: object(
      { attempts: { enum: [1, 2, 5] }, delayMinutes: { enum: [0, 10, 30, 60, 1440] } },
      ['attempts', 'delayMinutes'],
    ),
    multiModule: { type: 'boolean' },
    delivery: { enum: ['push', 'pull'] },
    protocol: { enum: ['https', 'mqtt'] },
  },
  ['firmwareId', 'devices'],
);

export const productParams = object({ productKey: name }, ['productKey']);

export const configQuery = object({ signMethod: { enum: ['MD5', 'SHA256'] } });

/** Without devices: every one of the product. */
export const configPushBody = {
  anyOf: [
    object({ devices: names, timeoutSeconds: { type: 'integer', minimum: 1, maximum: 3600 } }),
    { type: 'null' },
  ],
} as const;

/** Devices of an upgrade; without them, all. */
export const selectionBody = {
  anyOf: [object({ devices: names }), { type: 'null' }],
} as const;

/** The members of each kind are checked where faults are set. */
export const faultBody = {
  type: 'object',
  properties: { kind: { enum: FAULT_KINDS } },
  required: ['kind'],
} as const;
