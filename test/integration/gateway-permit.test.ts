import type { JoinPermit } from 'iotkit-ota';
import { openHub } from '../support/hub';
import { PRODUCT_KEY, World } from '../support/world';

test('sub-devices may join for a while', async () => {
  await using world = await World.open();
  const { device, key } = await openHub(world, []);
  const permitted = new Promise<JoinPermit>((resolve) => {
    device.gateway.on('permit', resolve);
  });
  // The gateway subscribes when it is first used; the platform permits nothing to one that has not yet.
  await device.gateway.topology();
  const answer = await world.platform.gateways.permit(key, PRODUCT_KEY, { seconds: 90 });
  expect(answer.state).toBe('accepted');
  expect(await permitted).toEqual({ productKey: PRODUCT_KEY, seconds: 90 });
});
