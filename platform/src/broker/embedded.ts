// broker/: the two transports: a broker in this process, with sign-in (sign-in.ts, auth.ts) and topic
// rules (permissions.ts), and a client of somebody else's (external-client.ts). Imports base, faults,
// types, devices (names), events, protocol, identities.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Aedes, Client, ConnectPacket, PublishPacket, Subscription } from 'aedes';
import type { Clock, Timer } from '../base/clock';
import { messageOf } from '../base/errors';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import type { Broker, BrokerListener, Carriage } from '../protocol/broker';
import { filterMatches, MAX_MESSAGE_BYTES, topicFlaw } from '../protocol/topic-rules';
import {
  isBroadcast,
  isCustomCall,
  isSystemTopic,
  ownerOf,
  parseUpstream,
  upgradeTopic,
} from '../protocol/topics';
import type { DeviceKey, Presence } from '../types/device';
import { REFUSED, Refusal } from './auth';
import { isBroadcastFilter, isOwnTopic } from './permissions';
import { PublishRate } from './publish-rate';
import { admit, type Greeting, isNameless, isRegistration, type SignInParts } from './sign-in';

interface Dependencies extends SignInParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly listener: BrokerListener;
  readonly carriage: Carriage;
  /** A connection that has not sent its CONNECT by then is ended. */
  readonly signInMs: number;
}

/** A connection; it has a `key` from its sign-in on. */
interface Session {
  readonly client: Client;
  readonly isTls: boolean;
  readonly signedIn: () => void;
  readonly fingerprint: string | undefined;
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
  /** What it is sent first. */
  greeting?: Greeting;
  /** Ends the connection of one that is here to register. */
  end?: Timer;
}

/** Messages to the platform are published here: no device can subscribe to this branch. */
const PLATFORM_BRANCH = '$platform';
/** What is to vanish goes here: nobody can subscribe to it, and nobody is told. */
const NOWHERE = '$nowhere';
/** How long one that has registered may stay. */
const REGISTRANT_MS = 15_000;
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
  #registrants = 0;

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
        broker.#authenticate(client, username, password).then((refusal) => {
          done(refusal ?? null, refusal === undefined);
        });
      },
      authorizeForward: (client, packet) =>
        broker.#mayReceive(client, packet.topic) ? packet : undefined,
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
      fingerprint: fingerprintOf(socket),
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
    return (session.hasSystemTopics && isSystemTopic(topic)) || this.#isSubscribed(session, topic);
  }

  takesCustomCalls(key: DeviceKey): boolean {
    return this.#readySession(key)?.takesCustomCalls ?? false;
  }

  publish(topic: string, payload: string | Buffer, qos: 0 | 1, to = ownerOf(topic)): Promise<void> {
    return new Promise((resolve, reject) => {
      const packet = { cmd: 'publish', topic, payload, qos, retain: false, dup: false } as const;
      const done = (error?: Error | null): void => (error ? reject(error) : resolve());
      const session = to && this.#readySession(to);
      if (session !== undefined && this.#isForOne(session, topic)) {
        session.client.publish(packet, done);
      } else if (isCustomCall(topic)) done(new Error('the device is not connected'));
      else this.#aedes.publish(packet, done);
    });
  }

  /** Whether a message goes to one connection, whoever has subscribed to what. */
  #isForOne(session: Session, topic: string): boolean {
    if (isCustomCall(topic)) return true;
    const isUnasked = isBroadcast(topic) || (session.hasSystemTopics && isSystemTopic(topic));
    return isUnasked && !this.#isSubscribed(session, topic);
  }

  disconnect(key: DeviceKey): void {
    this.#sessionOf(key)?.client.close();
  }

  evict(key: DeviceKey): void {
    const session = this.#online.get(deviceId(key));
    if (session === undefined) return;
    this.#gone(session);
    session.client.close();
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#aedes.close(resolve));
  }

  #readySession(key: DeviceKey): Session | undefined {
    const session = this.#sessionOf(key);
    return session?.isReady ? session : undefined;
  }

  /** The connection of a device, or the one that carries it. */
  #sessionOf(key: DeviceKey): Session | undefined {
    const own = this.#online.get(deviceId(key));
    if (own !== undefined) return own;
    const carrier = this.#deps.carriage.carrierOf(key);
    return carrier && this.#online.get(deviceId(carrier));
  }

  /** Whether a connection is for what is in this device's branch: its own, or one it carries. */
  #serves(key: DeviceKey, owner: DeviceKey): boolean {
    if (deviceId(owner) === deviceId(key)) return true;
    const carrier = this.#deps.carriage.carrierOf(owner);
    return carrier !== undefined && deviceId(carrier) === deviceId(key);
  }

  /** What a device may publish to, or subscribe to. */
  #mayUse(key: DeviceKey, topic: string): boolean {
    if (isOwnTopic(key, topic)) return true;
    const owner = ownerOf(topic);
    return owner !== undefined && isOwnTopic(owner, topic) && this.#serves(key, owner);
  }

  /** A subscription for a sub-device outlives its session, and delivers nothing meanwhile. */
  #mayReceive(client: Client, topic: string): boolean {
    const key = this.#sessions.get(client)?.key;
    const owner = ownerOf(topic);
    if (key === undefined || owner === undefined || this.#serves(key, owner)) return true;
    return this.#deps.deviceOf(owner) === undefined;
  }

  #isSubscribed({ key }: Session, topic: string): boolean {
    const filters = (key && this.#filters.get(deviceId(key))) ?? [];
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
    packet.clientId = this.#nameOf(session, packet.username);
    return true;
  }

  #nameOf(session: Session, username: string | undefined): string {
    // Nobody is ended by one that is here to register, which is no connection of its device yet.
    if (isRegistration(session.clientId)) return `registrant ${this.#registrants++}`;
    const { fingerprint } = session;
    if (!isNameless({ username, fingerprint })) return username || session.clientId || '-';
    const certificate = this.#deps.certificates.find(fingerprint ?? '');
    return certificate === undefined ? '-' : deviceId(certificate);
  }

  async #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<Refusal | undefined> {
    const session = this.#sessions.get(client) as Session;
    try {
      const admission = await admit({ ...session, username, password }, this.#deps);
      session.signedIn();
      if (admission.greeting !== undefined) session.greeting = admission.greeting;
      if (admission.as === 'registrant') return undefined;
      session.key = admission.key;
      session.hasSystemTopics = admission.hasSystemTopics;
      session.takesCustomCalls = admission.takesCustomCalls;
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

  #authorizePublish(client: Client | null, packet: PublishPacket): Error | null {
    if (client === null) return null;
    const session = this.#sessions.get(client);
    const key = session?.key;
    const flaw = key === undefined ? 'not signed in' : this.#publishFlaw(packet);
    if (session === undefined || key === undefined || flaw !== undefined) {
      return this.#refuse(client, packet, flaw ?? '');
    }
    packet.retain = false;
    if (!this.#mayUse(key, packet.topic)) {
      const owner = ownerOf(packet.topic);
      const mayStay = owner !== undefined && this.#deps.carriage.strayed(key, owner);
      const reason = mayStay ? 'its device is not logged in' : 'not a topic of this device';
      const refusal = this.#refuse(client, packet, reason);
      if (!mayStay) return refusal;
      packet.topic = NOWHERE;
      return null;
    }
    const { faults } = this.#deps;
    const { deviceName } = key;
    if (faults.strike(['mqtt-drop'], { deviceName, on: 'publish' }).length > 0) {
      return new Refusal(REFUSED.unavailable, 'dropped on request (fault)');
    }
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
  #publishFlaw({ topic, qos, retain, payload }: PublishPacket): string | undefined {
    if (qos > 1) return 'QoS 2 is not supported';
    if (retain && this.#deps.isStrict) return 'retained messages are not supported';
    if (payload.length > MAX_MESSAGE_BYTES) return 'the message is over 256 KiB';
    return topicFlaw(topic);
  }

  #maySubscribe(client: Client, { topic, qos }: Subscription): boolean {
    const key = this.#sessions.get(client)?.key;
    const flaw =
      topicFlaw(topic) ??
      (qos > 1 ? 'QoS 2 is not supported' : undefined) ??
      (key !== undefined && (this.#mayUse(key, topic) || isBroadcastFilter(key, topic))
        ? undefined
        : 'not a topic of this device');
    if (flaw !== undefined) this.#complain(client, topic, flaw);
    return flaw === undefined;
  }

  #connected(client: Client): void {
    const session = this.#sessions.get(client);
    if (session?.greeting !== undefined) this.#greet(session, session.greeting);
    if (session?.key === undefined) return;
    const { key } = session;
    session.isReady = true;
    this.#deps.listener.connected(key);
    const occasion = { deviceName: key.deviceName, on: 'connect' } as const;
    const isDropped = this.#deps.faults.strike(['mqtt-drop'], occasion).length > 0;
    // The device may have been removed since it signed in.
    const device = this.#deps.deviceOf(key);
    if (isDropped || device === undefined || device.disabled) client.close();
    else if (!client.clean) this.#deps.listener.subscribed(key);
  }

  #disconnected(client: Client): void {
    const session = this.#sessions.get(client);
    session?.end?.cancel();
    if (session !== undefined) this.#gone(session);
  }

  #gone({ key, client, isReady }: Session): void {
    if (key === undefined) return;
    const id = deviceId(key);
    if (this.#online.get(id)?.client !== client) return;
    this.#online.delete(id);
    if (client.clean) this.#filters.delete(id);
    if (isReady) this.#deps.listener.disconnected(key);
  }

  #subscribed(client: Client, subscriptions: readonly Subscription[]): void {
    const key = this.#sessions.get(client)?.key;
    if (key === undefined) return;
    const id = deviceId(key);
    const filters = this.#filters.get(id) ?? new Set();
    this.#filters.set(id, filters);
    const granted = subscriptions.filter(({ qos }) => (qos as number) <= 1);
    for (const { topic } of granted) filters.add(topic);
    // A filter for notices names its device, whose own connection this need not be.
    const owners = granted.flatMap(({ topic }) => {
      const owner = ownerOf(topic);
      return owner !== undefined && filterMatches(topic, upgradeTopic(owner)) ? [owner] : [];
    });
    for (const owner of owners) {
      if (this.presence(owner) === 'yes') this.#deps.listener.subscribed(owner);
    }
  }

  #refuse(client: Client, { topic }: PublishPacket, reason: string): Refusal {
    this.#complain(client, topic, reason);
    return new Refusal(REFUSED.notAuthorized, reason);
  }

  /** Says what a connection is there to hear; one that has registered is ended if it does not go. */
  #greet(session: Session, { topic, payload }: Greeting): void {
    const { client, key } = session;
    const { clock } = this.#deps;
    if (key === undefined) {
      session.end = clock.at(clock.now() + REGISTRANT_MS, () => client.close());
    }
    const packet = { cmd: 'publish', topic, payload, qos: 0, retain: false, dup: false } as const;
    client.publish(packet, () => undefined);
  }

  #complain(client: Client, topic: string, reason: string): void {
    const clientId = this.#sessions.get(client)?.clientId ?? '';
    this.#deps.events.emit('bad-message', { topic, reason, clientId });
  }
}

function fingerprintOf(socket: Socket): string | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate?.fingerprint256.replaceAll(':', '').toLowerCase();
}
