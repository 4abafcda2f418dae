import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { IotkitError, type Upgrade } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { World } from '../support/world';

// An IotkitError on its way to somebody else: a worker's owner, another thread, a log.

/** The error of a real download. */
async function failureOf(upgrade: Upgrade, world: World): Promise<unknown> {
  return upgrade.download(world.path('missing/firmware.bin')).catch((error: unknown) => error);
}

test('an IotkitError keeps code, detail and retryable in the error event of a worker', async () => {
  const program = `
    const { connect } = require('iotkit-ota');
    const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 'hunter2' };
    const options = { url: 'mqtt://127.0.0.1:1', connectTimeout: 1 };
    connect({ ...identity, ...options }).catch((error) => setImmediate(() => { throw error; }));`;
  const worker = new Worker(program, { eval: true });
  const [error] = await once(worker, 'error');
  expect(IotkitError.isIotkitError(error)).toBe(true);
  expect(error).toMatchObject({
    name: 'IotkitError',
    code: expect.stringMatching(/^ERR_CONNECT/),
    retryable: true,
    detail: expect.any(String),
  });
  expect(error.message).toContain(error.detail);
});

test('an IotkitError is whole again after structuredClone()', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(imageOf(100_003));
  const error = await failureOf(upgrade, world);
  expect(error).toMatchObject({ code: 'ERR_FILE_NOT_FOUND', retryable: false });
  const { code, errno, retryable, detail } = error as IotkitError;
  expect(structuredClone({ ...(error as IotkitError) })).toEqual({
    code,
    errno,
    retryable,
    detail,
  });
  const restored = IotkitError.from(structuredClone(error));
  expect({ ...restored }).toEqual({ code, errno, retryable, detail });
  expect(restored?.message).toBe((error as IotkitError).message);
});
