/** Remote configuration over a connection that notes what is sent, for the tests of its room. */

import type { NativeConfigInfo } from '../../../lib/addon/binding';
import { IotkitError } from '../../../lib/base/errors';
import type { ConfigChange } from '../../../lib/config/change';
import { RemoteConfig } from '../../../lib/config/remote-config';
import { FakeDevice, FakeJob, sha256Of } from '../support';

const open: RemoteConfig[] = [];

afterEach(async () => {
  const closed = new IotkitError('ERR_CLOSED');
  for (const config of open.splice(0)) await config.shutdown(closed);
});

/** A connection, not yet connected, and the remote configuration on it. */
export function rig() {
  const native = new FakeDevice();
  const refused: string[] = [];
  const listeners = {
    emit: (_event: 'refused', error: IotkitError) => {
      refused.push(error.code);
    },
  };
  const holds: Promise<unknown>[] = [];
  const holdWhile = <T>(operation: Promise<T>): Promise<T> => {
    holds.push(operation);
    return operation;
  };
  const config = new RemoteConfig({ holdWhile, listeners }, native);
  open.push(config);
  native.isConnected = false;
  let connects = 0;
  const connect = (): void => {
    native.isConnected = true;
    connects += 1;
    config.onConnected(connects);
  };
  const drop = (): void => {
    native.isConnected = false;
    config.onDisconnected();
  };
  const send = (id: string, configId: string, pushed: boolean, content = configId): FakeJob => {
    const bytes = Buffer.from(content);
    const job = new FakeJob({ id, size: bytes.length, digest: sha256Of(bytes) });
    const info: NativeConfigInfo = { configId, signMethod: 'Sha256', pushed };
    config.onConfig(job, info);
    return job;
  };
  const push = (id: string, configId: string, content?: string) =>
    send(id, configId, true, content);
  /** Answers the newest request. */
  const answer = (configId: string, content?: string) =>
    send(native.configRequests.at(-1) ?? '', configId, false, content);
  return { config, native, refused, holds, connect, drop, push, answer };
}

/** Takes what an iteration over the changes hands out, as it comes. */
export function watch(config: RemoteConfig) {
  const changes = config.changes();
  const seen: ConfigChange[] = [];
  const done = (async () => {
    for await (const change of changes) seen.push(change);
  })();
  return { seen, ids: () => seen.map(({ configId }) => configId), changes, done };
}

/** Lets everything run that waits for no timer. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
