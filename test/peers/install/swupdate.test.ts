import { given, type TestImage, testInstaller } from '../../support/installer-contract';
import { SwupdateMachine } from '../../support/swupdate';

testInstaller('SWUpdate', () => SwupdateMachine.open());

describe('SWUpdate', () => {
  let machine: SwupdateMachine;
  beforeEach(async () => {
    machine = await SwupdateMachine.open();
  });
  afterEach(() => machine?.close());

  // In the middle of the stream the daemon closes, and the client says nothing of why.
  test.each<[string, (image: TestImage) => Uint8Array, RegExp]>([
    [
      'damaged in its system',
      ({ bytes }) => damaged(bytes, bytes.length - 10_000),
      /HASH mismatch/,
    ],
    [
      'damaged in its description',
      ({ bytes }) => damaged(bytes, Buffer.from(bytes).indexOf('software = ') + 12),
      /Checksum WRONG/,
    ],
    ['no archive', () => Buffer.alloc(500_000, 'x'), /magic not found|cannot be parsed/],
  ])('an image that is %s: the reason is what the daemon found', async (_, change, reason) => {
    const image = await machine.image('2.0.0');
    const bytes = change(image);
    const installing = machine.installer.install(given({ ...image, bytes }, 'stream'));
    await expect(installing).rejects.toMatchObject({
      code: 'ERR_INSTALL_REFUSED',
      detail: expect.stringMatching(reason),
    });
  });

  test('an image for another machine, twice: each has its own reason', async () => {
    const image = given(await machine.wrongImage(), 'stream');
    for (let i = 0; i < 2; i += 1) {
      await expect(machine.installer.install(image)).rejects.toMatchObject({
        code: 'ERR_INSTALL_REFUSED',
        detail: 'SW not compatible with hardware',
      });
    }
  });

  test.each(['\0', 'x'])(
    'bytes (%j) after the archive do not hide a wrong digest',
    async (byte) => {
      const image = await machine.image('2.0.0');
      const junk = Buffer.alloc(4 * 1024 * 1024, byte);
      const failure = new Error('the digest of the download is another one');
      const open = async function* () {
        yield image.bytes;
        yield junk;
        throw failure;
      };
      const size = image.bytes.length + junk.length;
      const installing = machine.installer.install({ ...given(image, 'stream'), size, open });
      // What fails first, the client that can write no more or the stream, is not always the same.
      await expect(installing).rejects.toBeInstanceOf(Error);
      const { booted, next, slots } = await machine.installer.status();
      expect(next).toBe(booted);
      expect(slots.find(({ name }) => name !== booted)?.state).toBe('bad');
    },
  );

  test('a selection that the daemon does not allow', async () => {
    const installer = machine.withSlots({ A: 'stable,copyA', B: 'stable,copyC' });
    await expect(
      installer.install(given(await machine.image('2.0.0'), 'path')),
    ).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      message: expect.stringMatching(/copyC is not allowed.*swupdate -q stable,copyC/),
    });
  });

  test('a daemon that has another image under way is waited for', async () => {
    const image = await machine.image('2.0.0');
    const abort = new AbortController();
    const reason = new Error('given up');
    let begin = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    async function* stalls(): AsyncGenerator<Uint8Array> {
      yield image.bytes.subarray(0, image.bytes.length / 2);
      begin();
      await new Promise(() => {});
    }
    const first = machine.installer.install(
      { ...given(image, 'stream'), open: stalls },
      { signal: abort.signal },
    );
    first.catch(() => {});
    await hasBegun;
    const other = machine.withSlots({ A: 'stable,copyA', B: 'stable,copyB' });
    const second = other.install(given(image, 'stream'));
    abort.abort(reason);
    await expect(first).rejects.toBe(reason);
    expect(await machine.versionIn((await second).slot)).toBe('2.0.0');
  });

  test('no daemon', async () => {
    await machine.stopDaemon();
    await expect(
      machine.installer.install(given(await machine.image('2.0.0'), 'path')),
    ).rejects.toMatchObject({ code: 'ERR_INSTALL_UNAVAILABLE' });
  });
});

function damaged(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
