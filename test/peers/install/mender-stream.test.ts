import { given, testInstaller } from '../../support/installer-contract';
import { MenderMachine } from '../../support/mender';

testInstaller('Mender that takes signed artifacts from a stream', () => MenderMachine.open(true));

describe('Mender, streamed into', () => {
  let machine: MenderMachine;
  beforeEach(async () => {
    machine = await MenderMachine.open(true);
  });
  afterEach(() => machine?.close());

  test('an artifact that is whole before a wrong digest is known is taken back', async () => {
    const image = await machine.image('2.0.0');
    const failure = new Error('the digest of the download is another one');
    const seen: (string | undefined)[] = [];
    async function* open() {
      yield image.bytes;
      // The client is done when the artifact is: what comes after it is read by nobody.
      for (let i = 0; i < 64; i += 1) yield Buffer.alloc(1024 * 1024, 'x');
      seen.push((await machine.variables()).upgrade_available);
      throw failure;
    }
    const installing = machine.installer.install({ ...given(image, 'stream'), open });
    await expect(installing).rejects.toBe(failure);
    expect(seen).toEqual(['1']);
    expect(await machine.installer.status()).toMatchObject({ booted: 'A', next: 'A' });
    expect((await machine.client('commit')).code).toBe(2);
  });

  test('an artifact without a signature, or with a damaged one, is refused', async () => {
    for (const bytes of [
      (await machine.artifact('2.0.0', 'test-board', false)).bytes,
      withAnotherManifest((await machine.image('2.0.0')).bytes),
    ]) {
      const image = { ...(await machine.image('2.0.0')), bytes };
      const installing = machine.installer.install(given(image, 'stream'));
      await expect(installing).rejects.toMatchObject({
        code: 'ERR_INSTALL_REFUSED',
        message: expect.stringMatching(/sign/),
      });
    }
    expect(await machine.installer.status()).toMatchObject({ booted: 'A', next: 'A' });
  });

  test('a client that checks no signature gets no stream', async () => {
    await machine.configure({ ArtifactVerifyKey: '' });
    const image = given(await machine.image('2.0.0'), 'stream');
    await expect(machine.installer.install(image)).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      message: expect.stringContaining('ArtifactVerifyKey'),
    });
  });
});

/** The digest of the payload is another one. */
function withAnotherManifest(artifact: Uint8Array): Buffer {
  const bytes = Buffer.from(artifact);
  const at = bytes.indexOf('data/0000/') - 4;
  bytes[at] = bytes[at] === 0x30 ? 0x31 : 0x30;
  return bytes;
}
