import type { DeviceListener } from '../../../lib/addon/binding';
import { IotkitError } from '../../../lib/base/errors';
import { SubConnection, type SubConnectionHost } from '../../../lib/gateway/sub-connection';
import { FakeGateway, identityOf } from './rig';

function open() {
  const native = new FakeGateway();
  const host = { native, isClosing: false, openChannel: () => 1 } as unknown as SubConnectionHost;
  const listener = { onState: () => {} } as unknown as DeviceListener;
  const connection = new SubConnection(identityOf('a'), host, listener);
  connection.loggedIn();
  return { native, connection };
}

test.each([
  '/ota/device/upgrade/pk/a',
  '/sys/pk/a/thing/ota/firmware/get_reply',
  '/sys/pk/a/thing/disable',
  '/sys/pk/a/thing/enable',
  '/sys/pk/a/thing/delete',
])('%s stays with the gateway when the program leaves it', (filter) => {
  const { native, connection } = open();
  connection.subscribe(1, filter, 0);
  connection.unsubscribe(1);
  expect([[...native.subscribed], native.asked]).toEqual([[], [filter, filter]]);
  connection.unsubscribe(1);
  expect(native.asked).toHaveLength(2);
});

test.each(['/pk/a/user/get', '/ota/device/upgrade/pk/b', '/ota/device/upgrade/pk/+'])(
  '%s is left',
  (filter) => {
    const { native, connection } = open();
    connection.subscribe(1, filter, 0);
    connection.unsubscribe(1);
    expect(native.asked).toEqual([filter]);
  },
);

test('what is asked while it is logged out waits for the login', () => {
  const { connection } = open();
  const lost = new IotkitError('ERR_NOT_CONNECTED');
  const ask = (): unknown[] => [
    connection.request(''),
    connection.requestConfig(),
    connection.requestTime(),
  ];
  connection.out(lost, false);
  expect(ask()).toEqual([lost.errno, lost.errno, lost.errno]);
  connection.loggedIn();
  for (const id of ask()) expect(id).toEqual(expect.any(String));
});
