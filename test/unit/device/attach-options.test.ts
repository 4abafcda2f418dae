import {
  type AttachOptions,
  checkAdapterOptions,
  checkAttachOptions,
} from '../../../lib/device/attach-options';
import { refusalOf } from '../support';

const given: AttachOptions = {
  productKey: 'a1Key',
  deviceName: 'lamp',
  publish: () => {},
  subscribe: () => {},
  onMessage: () => {},
};
const check = (more: object) => checkAttachOptions({ ...given, ...more }, {});

test('what is left out has a default that does nothing', () => {
  const [device, transport] = checkAttachOptions(given, {});
  expect(device).toMatchObject({ productKey: 'a1Key', deviceName: 'lamp', logger: undefined });
  expect(transport).toMatchObject({ publish: given.publish, connected: true });
  expect(transport.unsubscribe('a')).toBeUndefined();
  expect(transport.onConnection(() => {})).toBeUndefined();
});

test.each([
  [{ productKey: 'a/b' }, 'productKey must be 1-20 letters and digits, got "a/b"'],
  [{ deviceName: '' }, 'deviceName must be 1-32 characters'],
  [{ publish: undefined }, 'publish must be a function, got undefined'],
  [{ subscribe: 1 }, 'subscribe must be a function, got 1'],
  [{ unsubscribe: 'x' }, 'unsubscribe must be a function, got "x"'],
  [{ onMessage: {} }, 'onMessage must be a function, got a value of type object'],
  [{ onConnection: true }, 'onConnection must be a function, got true'],
  [{ connected: 1 }, 'connected must be a boolean, got 1'],
  [{ logger: {} }, 'logger.debug must be a function'],
  [{ deviceSecret: 'x' }, 'options has no option deviceSecret; its options are productKey'],
])('%j is refused', (more, message) => {
  expect(refusalOf(() => check(more)).message).toContain(message);
});

test('options are needed, and an adapter takes none of the connection', () => {
  const none = undefined as unknown as AttachOptions;
  expect(refusalOf(() => checkAttachOptions(none, {})).message).toContain('options must be');
  expect(refusalOf(() => checkAdapterOptions(none)).message).toContain('options must be');
  expect(refusalOf(() => checkAdapterOptions(given)).message).toContain('has no option publish');
});
