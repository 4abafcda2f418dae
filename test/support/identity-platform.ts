import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import type { Aedes, AuthenticateError, Client } from 'aedes';
import { localIdentity } from 'iotkit-ota-platform';

// The platform's side of registrations and of the sign-ins that follow them, and no more: the documents' rules, and
// what a test wants to go wrong.

export const PRODUCT = { productKey: 'a1Product', productSecret: 'product-secret' };

/** What becomes of the next registration instead of its answer. */
export type Instead =
  | { readonly code: number }
  | { readonly payload: string }
  | 'hang up'
  | 'silence';

/** CONNACK: user name or password is wrong. */
const CREDENTIALS = 4;

const open = new Set<IdentityPlatform>();

afterEach(async () => {
  for (const platform of open) await platform[Symbol.asyncDispose]();
});

export class IdentityPlatform implements AsyncDisposable {
  readonly directory: string;
  readonly ca: string;
  readonly port: number;
  /** The user names of registrations, in their order. */
  readonly registered: string[] = [];
  /** The user names of sign-ins, in their order. */
  readonly signedIn: string[] = [];
  /** The topics that devices published to. */
  readonly topics: string[] = [];
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #secrets = new Map<string, string>();
  readonly #tokens = new Map<string, string>();
  readonly #instead: Instead[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(aedes: Aedes, server: Server, directory: string, ca: string) {
    this.#aedes = aedes;
    this.#server = server;
    this.directory = directory;
    this.ca = ca;
    this.port = (server.address() as AddressInfo).port;
    server.on('secureConnection', (socket) => this.#accept(socket));
    aedes.authenticate = (client, username, password, done) => {
      const code = this.#judge(client, username ?? '', String(password ?? ''));
      const error = Object.assign(new Error('refused'), { returnCode: code });
      done(code === 0 ? null : (error as AuthenticateError), code === 0);
    };
    aedes.on('clientReady', (client) => this.#greet(client));
    aedes.on('publish', ({ topic }, client) => {
      if (client !== null) this.topics.push(topic);
      this.#look();
    });
  }

  /** `clients`: the CA whose certificates devices may show, PEM; `more`: how it speaks TLS. */
  static async open(clients?: string, more: SecureContextOptions = {}): Promise<IdentityPlatform> {
    const { Aedes } = await import('aedes');
    const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    const identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
    const { cert, key, ca } = identity;
    const asked = clients === undefined ? {} : { requestCert: true, ca: clients };
    const server = createServer({ cert, key, ...asked, ...more });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const aedes = await Aedes.createBroker({ maxClientsIdLength: 256 });
    const platform = new IdentityPlatform(aedes, server, directory, ca ?? '');
    open.add(platform);
    return platform;
  }

  address(): { readonly host: string; readonly port: number; readonly tls: { ca: string } } {
    return { host: '127.0.0.1', port: this.port, tls: { ca: this.ca } };
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  /** Of the next registration. */
  answerNext(instead: Instead): void {
    this.#instead.push(instead);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!open.delete(this)) return;
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
    this.#server.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  #look(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  #accept(socket: TLSSocket): void {
    const client = this.#aedes.handle(socket);
    sockets.set(client, socket);
  }

  /** The code of CONNACK. */
  #judge(client: Client, username: string, password: string): number {
    const { fields, base } = partsOf(client.id);
    const [deviceName = '', productKey = ''] = username.split('&');
    const authType = fields.get('authType');
    if (authType === 'register' || authType === 'regnwl') {
      this.registered.push(username);
      this.#look();
      const instead = this.#instead[0];
      if (typeof instead === 'object' && 'code' in instead) {
        this.#instead.shift();
        return instead.code;
      }
      const random = fields.get('random') ?? '';
      const said = `deviceName${deviceName}productKey${productKey}random${random}`;
      const method = fields.get('signmethod') ?? '';
      return hmac(method, PRODUCT.productSecret, said) === password ? 0 : CREDENTIALS;
    }
    this.signedIn.push(username);
    if (username === '&') return 0;
    if (authType === 'connwl') return this.#tokens.get(base) === password ? 0 : CREDENTIALS;
    if (sockets.get(client)?.getPeerCertificate().subject !== undefined) {
      return password === '' ? 0 : CREDENTIALS;
    }
    const stamp = fields.get('timestamp') ?? '';
    const said = `clientId${base}deviceName${deviceName}productKey${productKey}timestamp${stamp}`;
    const secret = this.#secrets.get(username) ?? randomBytes(8).toString('hex');
    return hmac(fields.get('signmethod') ?? '', secret, said) === password ? 0 : CREDENTIALS;
  }

  #greet(client: Client): void {
    const { fields, base } = partsOf(client.id);
    const socket = sockets.get(client);
    const authType = fields.get('authType');
    if (base === '.') {
      const { CN } = socket?.getPeerCertificate().subject ?? {};
      const [productKey = '', deviceName = ''] = String(CN).split('/');
      this.#say(client, '/ext/auth/identity/response', JSON.stringify({ productKey, deviceName }));
    }
    if (authType !== 'register' && authType !== 'regnwl') return;
    const instead = this.#instead.shift();
    const [deviceName = '', productKey = ''] = (this.registered.at(-1) ?? '').split('&');
    if (instead === 'hang up') socket?.destroy();
    else if (instead === 'silence') this.#look();
    else if (instead !== undefined && 'payload' in instead) {
      this.#say(client, '/ext/register', instead.payload);
    } else if (authType === 'register') {
      const deviceSecret = randomBytes(16).toString('hex');
      this.#secrets.set(`${deviceName}&${productKey}`, deviceSecret);
      const answer = { productKey, deviceName, deviceSecret };
      this.#say(client, '/ext/register', JSON.stringify(answer));
    } else {
      const clientId = `id-${randomBytes(8).toString('hex')}`;
      const deviceToken = `^1^${randomBytes(24).toString('hex')}`;
      this.#tokens.set(clientId, deviceToken);
      const answer = { productKey, deviceName, clientId, deviceToken };
      this.#say(client, '/ext/regnwl', JSON.stringify(answer));
    }
  }

  #say(client: Client, topic: string, payload: string): void {
    client.publish(
      { cmd: 'publish', topic, payload, qos: 0, retain: false, dup: false } as never,
      () => {},
    );
  }
}

const sockets = new WeakMap<Client, TLSSocket>();

function partsOf(clientId: string): { base: string; fields: Map<string, string> } {
  const [base = '', rest = ''] = clientId.split('|');
  const pairs = rest.split(',').map((pair) => pair.split('=') as [string, string]);
  return { base, fields: new Map(pairs) };
}

const hmac = (method: string, secret: string, said: string): string =>
  createHmac(method.replace('hmac', ''), secret).update(said).digest('hex');
