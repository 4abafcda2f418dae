import { IotkitError } from '../../../lib/base/errors';
import type { Installer } from '../../../lib/install/installer';
import {
  begin,
  changed,
  isReported,
  life,
  machine,
  reached,
  task,
  useMachine,
} from '../../support/running-agent';
import { imageOf } from '../../support/simulated-machine';

// Installers of somebody else's that do not read the image to its end: only the end says whether its
// bytes were the right ones.

useMachine();

type Reads = (image: AsyncIterable<Uint8Array>) => Promise<unknown>;

const leaving: Record<string, Reads> = {
  'leaves its loop': async (image) => {
    for await (const _ of image) break;
  },
  'asks for no more': (image) => image[Symbol.asyncIterator]().next(),
  'says that it is done while it reads': async (image) => {
    void image[Symbol.asyncIterator]().next();
  },
  'cancels the stream': async (image) => {
    const chunks = image[Symbol.asyncIterator]();
    await chunks.next();
    await chunks.return?.();
  },
};

const failing: Record<string, Reads> = {
  ...leaving,
  'keeps the error to itself': async (image) => {
    try {
      for await (const _ of image);
    } catch {}
  },
};

/** Announces an upgrade to a machine whose installer says that it is done after `reads`. */
async function take(
  reads: ((image: AsyncIterable<Uint8Array>) => Promise<unknown>) | undefined,
  failures: readonly 'ERR_DIGEST_MISMATCH'[] = [],
) {
  machine.takes = 'stream';
  await machine.restart();
  await begin({ ...task(), state: 'failed' });
  const { installer } = machine;
  const install: Installer['install'] = async ({ open }) => {
    if (reads !== undefined && open !== undefined) await reads(open());
    return { slot: 'B' };
  };
  const agent = await life.open({ installer: changed(installer, { install }) });
  const data = Buffer.from(imageOf('2.0.0'));
  life.platform.announce({ version: '2.0.0', data, failures });
  const phases: string[] = [];
  agent.on('state', ({ phase }) => phases.push(phase));
  const ended = Promise.race([reached(agent, isReported), life.power.cut]);
  void agent.run();
  return { entry: await ended, phases };
}

test.each(Object.keys(failing))('the image is the wrong one, and the installer %s', async (how) => {
  const { entry } = await take(failing[how], ['ERR_DIGEST_MISMATCH']);
  expect(entry).toMatchObject({ phase: 'failed', step: -3 });
  expect(life.power.steps).not.toContain('activate');
  expect(life.errors).toMatchObject([{ code: 'ERR_DIGEST_MISMATCH' }]);
  expect(life.platform.steps.filter(({ step }) => step < 0)).toHaveLength(1);
});

test.each(Object.keys(leaving))('the image is the right one, and the installer %s', async (how) => {
  const { entry, phases } = await take(leaving[how]);
  expect(entry).toBeUndefined(); // it restarts
  expect(phases.at(-1)).toBe('activated');
  expect(life.errors).toEqual([]);
});

test('an installer that never opens the image has installed nothing', async () => {
  const { entry } = await take(undefined);
  expect(entry).toMatchObject({
    phase: 'failed',
    reason: expect.stringContaining('without the image'),
  });
  expect(life.errors).toMatchObject([{ code: 'ERR_INSTALL_FAILED' }]);
  expect(life.power.steps).not.toContain('activate');
});

test('an installer that was busy gets the image anew', async () => {
  let tries = 0;
  const { entry, phases } = await take(async (image) => {
    tries += 1;
    for await (const _ of image) {
      if (tries === 1) throw new IotkitError('ERR_INSTALL_BUSY');
    }
  });
  expect(entry).toBeUndefined();
  expect(phases.at(-1)).toBe('activated');
  expect(life.errors).toMatchObject([{ code: 'ERR_INSTALL_BUSY' }]);
});
