import type { Fault } from 'iotkit-ota-platform';
import { imageOf } from '../support/image';
import { World } from '../support/world';

const image = imageOf(1_000_003);

/** With one try a fault shows at once. */
const once = { maxRetries: 1, retry: { min: 1, max: 1 } };

interface Case {
  readonly name: string;
  readonly faults: readonly Fault[];
  readonly code: string;
  /** What the platform is told. */
  readonly step: number;
  /** Whether what was received stays for the next time. Default false. */
  readonly keeps?: boolean;
  /** Short, where a silence is under test, but longer than a busy machine is silent; else the usual ones. */
  readonly timeouts?: { readonly idleTimeout?: number; readonly responseTimeout?: number };
}

const cases: readonly Case[] = [
  {
    name: 'a corrupted byte',
    faults: [{ kind: 'http-corrupt', offset: 500_000 }],
    code: 'ERR_DIGEST_MISMATCH',
    step: -3,
  },
  {
    name: 'a digest in the notice that is another image’s',
    faults: [{ kind: 'notice-digest' }],
    code: 'ERR_DIGEST_MISMATCH',
    step: -3,
  },
  {
    name: 'an image that is not there (404)',
    faults: [{ kind: 'http-status', status: 404 }],
    code: 'ERR_HTTP_STATUS',
    step: -2,
  },
  {
    name: 'a broken server (500)',
    faults: [{ kind: 'http-status', status: 500 }],
    code: 'ERR_HTTP_UNAVAILABLE',
    step: -2,
  },
  {
    name: 'an address that has expired, and each that the platform gives instead',
    faults: [{ kind: 'http-expired' }],
    code: 'ERR_URL_EXPIRED',
    step: -2,
  },
  {
    name: 'a body that ends early',
    faults: [{ kind: 'http-short-body', missingBytes: 100 }],
    code: 'ERR_TRUNCATED',
    step: -2,
    keeps: true,
  },
  {
    name: 'a body that is shorter than announced',
    faults: [{ kind: 'http-short-length', missingBytes: 1 }],
    code: 'ERR_SIZE_MISMATCH',
    step: -3,
  },
  {
    name: 'a body that is longer than announced',
    faults: [{ kind: 'http-long-body', extraBytes: 1 }],
    code: 'ERR_SIZE_MISMATCH',
    step: -3,
  },
  {
    name: 'a body longer than announced, its length not told',
    faults: [{ kind: 'http-chunked' }, { kind: 'http-long-body', extraBytes: 70_000 }],
    code: 'ERR_SIZE_MISMATCH',
    step: -3,
  },
  {
    name: 'a body that stalls, and again when it is resumed',
    faults: [
      { kind: 'http-stall', afterBytes: 300_000, times: 1 },
      { kind: 'http-stall', afterBytes: 0, skip: 1 },
    ],
    code: 'ERR_IDLE_TIMEOUT',
    step: -2,
    keeps: true,
    timeouts: { idleTimeout: 800 },
  },
  {
    name: 'a server that never answers',
    faults: [{ kind: 'http-no-answer' }],
    code: 'ERR_IDLE_TIMEOUT',
    step: -2,
    timeouts: { responseTimeout: 100 },
  },
  {
    name: 'a connection that breaks, and again when it is resumed',
    faults: [
      { kind: 'http-drop', afterBytes: 300_000, times: 1 },
      { kind: 'http-drop', afterBytes: 0, skip: 1 },
    ],
    code: 'ERR_CONNECTION_CLOSED',
    step: -2,
    keeps: true,
  },
  {
    name: 'too many redirects',
    faults: [{ kind: 'http-redirect', hops: 10 }],
    code: 'ERR_HTTP_REDIRECTS',
    step: -2,
  },
  {
    name: 'a redirect from https to http',
    faults: [{ kind: 'http-redirect', downgrade: true }],
    code: 'ERR_HTTP_INSECURE_REDIRECT',
    step: -2,
  },
  {
    name: 'a response head without end',
    faults: [{ kind: 'http-headers', count: 100, bytes: 1000 }],
    code: 'ERR_HTTP_HEAD_TOO_LARGE',
    step: -2,
  },
];

test.each(cases)('$name ends in $code and step $step', async (fault) => {
  await using world = await World.open({ faults: fault.faults });
  const { upgrade, upgradeId } = await world.announce(image, {
    connect: { fetch: { ...once, ...fault.timeouts } },
  });

  const download = upgrade.download(world.path('firmware.bin'));
  await expect(download).rejects.toMatchObject({ name: 'IotkitError', code: fault.code });

  const left = fault.keeps ? ['firmware.bin.part', 'firmware.bin.part.journal'] : [];
  expect(await world.files()).toEqual(left);
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: fault.step });
});
