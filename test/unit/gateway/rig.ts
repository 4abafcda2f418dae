/** A gateway's native side that does what the test says, and its sub-devices. */
import type { DeviceListener, NativeGateway, NativeSubDevice } from '../../../lib/addon/binding';
import { SubDevices } from '../../../lib/gateway/sub-devices';
import { FakeDevice } from '../support';

export class FakeGateway extends FakeDevice implements NativeGateway {
  /** The names that were to be logged in, and out. */
  readonly logins: string[] = [];
  readonly logouts: string[] = [];
  /** The filters that the broker was asked for. */
  readonly asked: string[] = [];
  loginResult = 0;
  #lastPacket = 0;

  listen(id: number, filter: string): number {
    this.subscribed.set(id, filter);
    return 0;
  }

  ask(filter: string): number {
    this.asked.push(filter);
    this.#lastPacket += 1;
    return this.#lastPacket;
  }

  askGateway(): string {
    return '1';
  }

  login(devices: readonly NativeSubDevice[]): number {
    this.logins.push(...devices.map(({ deviceName }) => deviceName));
    return this.loginResult;
  }

  logout(devices: readonly NativeSubDevice[]): number {
    this.logouts.push(...devices.map(({ deviceName }) => deviceName));
    return 0;
  }

  openChannel(): number {
    return 0;
  }

  closeChannel(): void {}
}

interface Names {
  readonly productKey: string;
  readonly deviceName: string;
}

export const nameOf = (deviceName: string): Names => ({ productKey: 'pk', deviceName });
export const identityOf = (deviceName: string): NativeSubDevice => ({
  ...nameOf(deviceName),
  deviceSecret: 's',
});

/** In the place of a Device: closes its connection. */
function openSub(
  names: Names,
  openNative: (listener: DeviceListener) => { readonly close: () => void },
) {
  let onClosed = (): void => {};
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });
  const states: number[] = [];
  const onState = (state: number): unknown => states.push(state);
  const native = openNative({ onState, onClosed } as unknown as DeviceListener);
  const close = (): Promise<void> => {
    native.close();
    return closed;
  };
  return { ...names, states, closed, close };
}

/** Until all that has settled by now has been heard of. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sub-devices of a gateway that is connected. */
export function openSubDevices() {
  const native = new FakeGateway();
  const subs = new SubDevices<ReturnType<typeof openSub>>(
    { holdWhile: (operation) => operation, holdFor: () => {}, openSub },
    native,
  );
  const says = (event: 'loggedIn' | 'loggedOut', ...names: string[]): void => {
    for (const name of names) subs.onEvent(nameOf(name), event, undefined, 1);
  };
  const login = (...names: string[]) =>
    subs.login(names.map(identityOf), { timeoutMs: 10_000, signal: undefined });
  /** Logs them in, which the platform accepts. */
  const enter = async (...names: string[]): Promise<PromiseSettledResult<unknown>[]> => {
    const logins = login(...names);
    await turn(); // each has been asked for
    says('loggedIn', ...names);
    return logins;
  };
  subs.onConnected(1);
  return { native, subs, says, login, enter };
}
