/** Who a device says it is: its names, and a secret, a token or a certificate. */
import { options as checkOptions, conflict, flag, optional, orElse, text } from '../base/arguments';
import { checkDeviceName, checkProductKey } from '../options/names';
import { type CheckedIdentity, checkIdentity, type Pem, type SignFunction } from '../options/tls';

/** A client certificate as a device's identity. */
export interface X509Options {
  /** The device's certificate, and its chain if it has one. */
  readonly cert: Pem;
  /** The private key of `cert`; or `sign`. */
  readonly key?: Pem | undefined;
  /** The passphrase of `key`, 1-1024 characters. */
  readonly passphrase?: string | undefined;
  /** Signs in place of `key`, with a key in a TPM, a secure element or a token. */
  readonly sign?: SignFunction | undefined;
}

/** @internal `enum iotkit_sign_method`. */
export const signMethodNumbers = { hmacsha256: 0, hmacsha1: 1, hmacmd5: 2 } as const;

/** @internal An empty string means: option not set. */
export interface Who {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly deviceToken: string;
  /** Base of the MQTT client id; with a token the whole. */
  readonly clientId: string;
  readonly x509: CheckedIdentity | undefined;
  readonly productSecret: string;
  readonly preregistered: boolean;
  readonly credentialsFile: string;
}

/** @internal The options that say it. */
export interface WhoOptions {
  readonly productKey?: string | undefined;
  readonly deviceName?: string | undefined;
  readonly deviceSecret?: string | undefined;
  readonly deviceToken?: string | undefined;
  readonly clientId?: string | undefined;
  readonly x509?: X509Options | undefined;
  readonly productSecret?: string | undefined;
  readonly preregistered?: boolean | undefined;
  readonly credentialsFile?: string | undefined;
}

const nobody: Who = {
  productKey: '',
  deviceName: '',
  deviceSecret: '',
  deviceToken: '',
  clientId: '',
  x509: undefined,
  productSecret: '',
  preregistered: true,
  credentialsFile: '',
};

const ways = ['deviceSecret', 'deviceToken', 'productSecret', 'x509'] as const;
const ofProduct = ['preregistered', 'credentialsFile'] as const;

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkWho(options: WhoOptions): Who {
  const given = ways.filter((way) => options[way] !== undefined);
  const [way = 'deviceSecret'] = given;
  if (given.length > 1) {
    throw conflict(`exactly one of ${ways.join(', ')} must be given, got ${given.join(' and ')}`);
  }
  for (const key of ofProduct) {
    if (options[key] !== undefined && way !== 'productSecret') {
      throw conflict(`${key} belongs to productSecret`);
    }
  }
  switch (way) {
    case 'deviceSecret':
      return { ...checkNames(options), ...checkBaseId(options), ...checkDeviceSecret(options) };
    case 'deviceToken':
      return { ...checkNames(options), ...checkToken(options) };
    case 'productSecret':
      return { ...checkNames(options), ...checkBaseId(options), ...checkProduct(options) };
    case 'x509':
      return { ...checkKnownNames(options), ...checkBaseId(options), ...checkX509(options) };
  }
}

/**
 * @internal The instance that a device is registered at: only a platform that does not know it yet
 * asks for one.
 */
export function registeredInstance({ preregistered }: Who, instanceId: string | undefined): string {
  return preregistered ? '' : (instanceId ?? '');
}

function checkNames(options: WhoOptions): Who {
  const productKey = checkProductKey(options.productKey);
  const deviceName = checkDeviceName(options.deviceName);
  return { ...nobody, productKey, deviceName };
}

/** Both names or none: then the platform tells them. */
function checkKnownNames(options: WhoOptions): Who {
  const { productKey, deviceName } = options;
  return productKey === undefined && deviceName === undefined ? nobody : checkNames(options);
}

function checkDeviceSecret({ deviceSecret }: WhoOptions): Pick<Who, 'deviceSecret'> {
  return { deviceSecret: text('deviceSecret', deviceSecret, { max: 64, secret: true }) };
}

function checkBaseId({ clientId }: WhoOptions): Pick<Who, 'clientId'> {
  return { clientId: optional(clientId, (id) => checkClientId(id, 64)) ?? '' };
}

function checkClientId(value: unknown, max: number): string {
  const expected = `1-${max} characters without '|', ',' and '='`;
  return text('clientId', value, { max, pattern: /^[^|,=\0]+$/, expected });
}

function checkToken(options: WhoOptions): Pick<Who, 'deviceToken' | 'clientId'> {
  if (options.clientId === undefined) {
    throw conflict('deviceToken needs clientId: the one that register() gave');
  }
  return {
    deviceToken: text('deviceToken', options.deviceToken, { max: 256, secret: true }),
    clientId: text('clientId', options.clientId, {
      max: 128,
      pattern: /^[^|,\0]+$/,
      expected: "1-128 characters without '|' and ','",
    }),
  };
}

function checkProduct(
  options: WhoOptions,
): Pick<Who, 'productSecret' | 'preregistered' | 'credentialsFile'> {
  return {
    productSecret: text('productSecret', options.productSecret, { max: 64, secret: true }),
    preregistered: flag('preregistered', orElse(options.preregistered, true)),
    credentialsFile:
      optional(options.credentialsFile, (file) => text('credentialsFile', file, { max: 4_000 })) ??
      '',
  };
}

function checkX509(options: WhoOptions): Pick<Who, 'x509'> {
  const x509 = checkOptions('x509', options.x509, ['cert', 'key', 'passphrase', 'sign']);
  const checked = checkIdentity('x509', x509);
  if (checked.cert === '') throw conflict('x509.cert and x509.key must be given');
  return { x509: checked };
}
