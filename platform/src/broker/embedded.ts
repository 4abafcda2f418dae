// broker/: the two transports: a broker in this process, with sign-in (auth.ts) and topic rules
// (permissions.ts), and a client of somebody else's (external-client.ts). Imports base, faults,
// types, devices (names), events, protocol.

import type { Socket } from 'node:net';
import type { Aedes, Client, ConnectPacket, PublishPacket, Subscription } from 'aedes';
import type { Clock } from '../base/clock';
import { messageOf } from '../base/errors';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import type { Faults } from '../faults/faults';
import type { Broker, BrokerListener } from '../protocol/broker';
import { filterMatches, MAX_MESSAGE_BYTES, topicFlaw } from '../protocol/topic-rules';
import { isCustomCall, isSystemTopic, ownerOf, parseUpstream } from '../protocol/topics';
import type { DeviceKey, Presence } from '../types/device';
import { type ClientId, parseClientId, parseUsername, REFUSED, Refusal, verify } from './auth';
import { isOwnTopic } from './permissions';
import { PublishRate } from './publish-rate';

interface Dependencies {
  readonly events: Events;
  readonly faults: Faults;
  readonly listener: BrokerListener;
  readonly secretOf: (key: DeviceKey) => string | undefined;
  readonly keepAliveSeconds: { readonly min: number; readonly max: number };
  /** A connection that has not sent its CONNECT by then is ended. */
  readonly signInMs: number;
  readonly clock: Clock;
  /** Whether a will is refused, and a retained message; otherwise a will and the flag are ignored. */
  readonly isStrict: boolean;
}

/** A connection; it has a `key` from its sign-in on. */
interface Session {
  readonly client: Client;
  readonly isTls: boolean;
  readonly signedIn: () => void;
  readonly rate: PublishRate;
  hasWill: boolean;
  clientId: string;
  keepAliveSeconds: number;
  key?: DeviceKey;
  /** Signed in with `_ss=1`: what the platform sends arrives without a subscription. */
  hasSystemTopics: boolean;
  /** Signed in with bit 0 of `ext` set: it may be called on topics of its own. */
  takesCustomCalls: boolean;
  /** The CONNACK was sent: messages may follow it. */
  isReady: boolean;
}

/** Messages to the platform are published here: no device can subscribe to this branch. */
const PLATFORM_BRANCH = '$platform';
/** What is to vanish goes here: nobody can subscribe to it, and nobody is told. */
const NOWHERE = '$nowhere';
/** Room for the topic and the fixed part of a packet over its payload. */
const MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 1024;

/** The part of aedes' parser that is read to stop an oversized packet before memory holds it. */
interface Parsing {
  readonly _parser?: { readonly packet?: { readonly length?: number } };
}

/**
 * The broker in this process. A connection is known by its device, not by its client id: that holds
 * the sessions together and lets a second connection of a device end the first.
 */
export class EmbeddedBroker implements Broker {
  readonly health = { connected: true };
  readonly seesMessages = true;
  readonly #deps: Dependencies;
  #aedes!: Aedes;
  readonly #sessions = new WeakMap<Client, Session>();
  readonly #online = new Map<string, Session>();
  /** Topic filters of each device; those of a persistent session outlive its connection. */
  readonly #filters = new Map<string, Set<string>>();

  private constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  static async open(deps: Dependencies): Promise<EmbeddedBroker> {
    const { Aedes } = await import('aedes');
    const broker = new EmbeddedBroker(deps);
    broker.#aedes = await Aedes.createBroker({
      maxClientsIdLength: 256,
      connectTimeout: deps.signInMs,
      preConnect: (client, packet, done) => done(null, broker.#preConnect(client, packet)),
      authenticate: (client, username, password, done) => {
        const refusal = broker.#authenticate(client, username, password);
        done(refusal ?? null, refusal === undefined);
      },
      authorizePublish: (client, packet, done) => done(broker.#authorizePublish(client, packet)),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, broker.#maySubscribe(client, subscription) ? subscription : null),
    });
    broker.#listen();
    return broker;
  }

  /** Serves a new connection of a listener. */
  accept(socket: Socket, isTls: boolean, signedIn: () => void): void {
    socket.setNoDelay(true);
    const client = this.#aedes.handle(socket);
    this.#sessions.set(client, {
      client,
      isTls,
      signedIn,
      rate: new PublishRate(this.#deps.clock.now),
      hasWill: false,
      clientId: '',
      keepAliveSeconds: 0,
      hasSystemTopics: false,
      takesCustomCalls: false,
      isReady: false,
    });
    const { _parser: parser } = client as Parsing;
    socket.on('readable', () => {
      if ((parser?.packet?.length ?? 0) <= MAX_PACKET_BYTES) return;
      this.#complain(client, '', 'a packet is larger than the platform allows');
      client.close();
    });
  }

  presence(key: DeviceKey): Presence {
    return this.#readySession(key) === undefined ? 'no' : 'yes';
  }

  canReceive(key: DeviceKey, topic: string): boolean {
    const session = this.#readySession(key);
    if (session === undefined) return false;
    return (session.hasSystemTopics && isSystemTopic(topic)) || this.#isSubscribed(key, topic);
  }

  takesCustomCalls(key: DeviceKey): boolean {
    return this.#readySession(key)?.takesCustomCalls ?? false;
  }

  publish(topic: string, payload: string | Buffer, qos: 0 | 1, to = ownerOf(topic)): Promise<void> {
    return new Promise((resolve, reject) => {
      const packet = { cmd: 'publish', topic, payload, qos, retain: false, dup: false } as const;
      const done = (error?: Error | null): void => (error ? reject(error) : resolve());
      const session = to && this.#readySession(to);
      if (to !== undefined && session !== undefined && this.#isForOne(session, to, topic)) {
        session.client.publish(packet, done);
      } else if (isCustomCall(topic)) done(new Error('the device is not connected'));
      else this.#aedes.publish(packet, done);
    });
  }

  /** Whether a message goes to one connection, whoever has subscribed to what. */
  #isForOne({ hasSystemTopics }: Session, key: DeviceKey, topic: string): boolean {
    if (isCustomCall(topic)) return true;
    return hasSystemTopics && isSystemTopic(topic) && !this.#isSubscribed(key, topic);
  }

  disconnect(key: DeviceKey): void {
    this.#online.get(deviceId(key))?.client.close();
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#aedes.close(resolve));
  }

  #readySession(key: DeviceKey): Session | undefined {
    const session = this.#online.get(deviceId(key));
    return session?.isReady ? session : undefined;
  }

  #isSubscribed(key: DeviceKey, topic: string): boolean {
    const filters = this.#filters.get(deviceId(key)) ?? [];
    return [...filters].some((filter) => filterMatches(filter, topic));
  }

  #listen(): void {
    const { listener } = this.#deps;
    const aedes = this.#aedes;
    aedes.on('client', (client) => {
      const session = this.#sessions.get(client);
      if (session?.key !== undefined) this.#online.set(deviceId(session.key), session);
    });
    aedes.on('clientReady', (client) => this.#connected(client));
    aedes.on('clientDisconnect', (client) => this.#disconnected(client));
    aedes.on('subscribe', (subscriptions, client) => this.#subscribed(client, subscriptions));
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#filters.get(client.id)?.delete(filter);
    });
    aedes.on('publish', ({ topic, payload }, client) => {
      const from = client === null ? undefined : this.#sessions.get(client)?.key;
      if (from === undefined || topic === NOWHERE) return;
      const isForPlatform = topic.startsWith(PLATFORM_BRANCH);
      const own = isForPlatform ? topic.slice(PLATFORM_BRANCH.length) : topic;
      listener.message(own, payload as Buffer, from);
    });
    for (const event of ['clientError', 'connectionError'] as const) {
      aedes.on(event, (client, error) => {
        if (error instanceof Refusal) return;
        this.#complain(client, '', messageOf(error));
      });
    }
    (aedes as NodeJS.EventEmitter).on('error', (error: unknown) => {
      this.#deps.events.emit('bad-message', { topic: '', reason: messageOf(error) });
    });
  }

  /**
   * Remembers what `authenticate` does not get. From here the broker knows the connection by its
   * device: the client id becomes the user name.
   */
  #preConnect(client: Client, packet: ConnectPacket): boolean {
    const session = this.#sessions.get(client);
    if (session === undefined) return false;
    session.clientId = packet.clientId;
    session.keepAliveSeconds = packet.keepalive ?? 0;
    session.hasWill = packet.will !== undefined;
    delete packet.will;
    packet.clientId = packet.username || packet.clientId || '-';
    return true;
  }

  #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Refusal | undefined {
    const session = this.#sessions.get(client) as Session;
    try {
      session.key = this.#identify(session, username, password);
      session.signedIn();
      if (client.clean) this.#filters.delete(deviceId(session.key));
      return undefined;
    } catch (error) {
      const refusal =
        error instanceof Refusal ? error : new Refusal(REFUSED.unavailable, messageOf(error));
      const { returnCode, message: reason } = refusal;
      this.#deps.events.emit('device-refused', { clientId: session.clientId, returnCode, reason });
      return refusal;
    }
  }

  #identify(
    session: Session,
    username: string | undefined,
    password: Buffer | undefined,
  ): DeviceKey {
    const { faults, keepAliveSeconds, secretOf } = this.#deps;
    const clientId = parseClientId(session.clientId);
    const key = parseUsername(username);
    const [fault] = faults.strike(['mqtt-refuse'], { deviceName: key.deviceName }, 1);
    if (fault !== undefined) throw new Refusal(fault.returnCode, 'refused on request (fault)');
    verify(key, secretOf(key), clientId, password);
    session.hasSystemTopics = clientId.parameters._ss === '1';
    session.takesCustomCalls = (Number(clientId.parameters.ext) & 1) === 1;
    checkSecureMode(clientId, session.isTls);
    if (session.hasWill && this.#deps.isStrict) {
      throw new Refusal(REFUSED.notAuthorized, 'a will is not supported');
    }
    const { min, max } = keepAliveSeconds;
    if (session.keepAliveSeconds < min || session.keepAliveSeconds > max) {
      const text = `keep-alive must be ${min}-${max} s, not ${session.keepAliveSeconds}`;
      throw new Refusal(REFUSED.notAuthorized, text);
    }
    return key;
  }

  #authorizePublish(client: Client | null, packet: PublishPacket): Error | null {
    if (client === null) return null;
    const session = this.#sessions.get(client);
    const key = session?.key;
    const flaw = key === undefined ? 'not signed in' : this.#publishFlaw(key, packet);
    if (session === undefined || key === undefined || flaw !== undefined) {
      this.#complain(client, packet.topic, flaw ?? '');
      return new Refusal(REFUSED.notAuthorized, flaw ?? '');
    }
    const { faults } = this.#deps;
    const { deviceName } = key;
    if (faults.strike(['mqtt-drop'], { deviceName, on: 'publish' }).length > 0) {
      return new Refusal(REFUSED.unavailable, 'dropped on request (fault)');
    }
    packet.retain = false;
    const message = { qos: packet.qos, count: session.rate.count(packet.qos === 0 ? 0 : 1) };
    if (faults.strike(['mqtt-rate-limit'], { deviceName, message }).length > 0) {
      packet.topic = NOWHERE;
      packet.qos = 0;
      return null;
    }
    // At QoS 0 the broker does the same as at QoS 1, except that it does not acknowledge.
    if (packet.qos === 1 && faults.strike(['mqtt-no-puback'], { deviceName }).length > 0) {
      packet.qos = 0;
    }
    if (parseUpstream(packet.topic, key) !== undefined)
      packet.topic = PLATFORM_BRANCH + packet.topic;
    return null;
  }

  /** What is wrong with a message of a device; undefined when nothing is. */
  #publishFlaw(key: DeviceKey, { topic, qos, retain, payload }: PublishPacket): string | undefined {
    if (qos > 1) return 'QoS 2 is not supported';
    if (retain && this.#deps.isStrict) return 'retained messages are not supported';
    if (payload.length > MAX_MESSAGE_BYTES) return 'the message is over 256 KiB';
    return topicFlaw(topic) ?? (isOwnTopic(key, topic) ? undefined : 'not a topic of this device');
  }

  #maySubscribe(client: Client, { topic, qos }: Subscription): boolean {
    const key = this.#sessions.get(client)?.key;
    const flaw =
      topicFlaw(topic) ??
      (qos > 1 ? 'QoS 2 is not supported' : undefined) ??
      (key !== undefined && isOwnTopic(key, topic) ? undefined : 'not a topic of this device');
    if (flaw !== undefined) this.#complain(client, topic, flaw);
    return flaw === undefined;
  }

  #connected(client: Client): void {
    const session = this.#sessions.get(client);
    if (session?.key === undefined) return;
    const { key } = session;
    session.isReady = true;
    this.#deps.listener.connected(key);
    const occasion = { deviceName: key.deviceName, on: 'connect' } as const;
    const isDropped = this.#deps.faults.strike(['mqtt-drop'], occasion).length > 0;
    // The device may have been removed since it signed in.
    if (isDropped || this.#deps.secretOf(key) === undefined) client.close();
    else if (!client.clean) this.#deps.listener.subscribed(key);
  }

  #disconnected(client: Client): void {
    const session = this.#sessions.get(client);
    if (session?.key === undefined) return;
    const id = deviceId(session.key);
    if (this.#online.get(id) !== session) return;
    this.#online.delete(id);
    if (client.clean) this.#filters.delete(id);
    if (session.isReady) this.#deps.listener.disconnected(session.key);
  }

  #subscribed(client: Client, subscriptions: readonly Subscription[]): void {
    const key = this.#sessions.get(client)?.key;
    if (key === undefined) return;
    const id = deviceId(key);
    const filters = this.#filters.get(id) ?? new Set();
    this.#filters.set(id, filters);
    const granted = subscriptions.filter(({ qos }) => (qos as number) <= 1);
    for (const { topic } of granted) filters.add(topic);
    const upgrade = `/ota/device/upgrade/${key.productKey}/${key.deviceName}`;
    const covers = granted.some(({ topic }) => filterMatches(topic, upgrade));
    if (covers && this.presence(key) === 'yes') this.#deps.listener.subscribed(key);
  }

  #complain(client: Client, topic: string, reason: string): void {
    const clientId = this.#sessions.get(client)?.clientId ?? '';
    this.#deps.events.emit('bad-message', { topic, reason, clientId });
  }
}

function checkSecureMode({ parameters }: ClientId, isTls: boolean): void {
  const wanted = isTls ? ['2', '-2'] : ['3'];
  if (wanted.includes(parameters.securemode ?? '')) return;
  const text = `securemode must be ${wanted.join(' or ')} on this listener`;
  throw new Refusal(REFUSED.notAuthorized, text);
}
