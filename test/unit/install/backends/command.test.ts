import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { commandInstaller } from '../../../../lib/install/backends/command';
import type { Installer } from '../../../../lib/install/installer';
import { sha256 } from '../../../support/image';
import {
  given,
  type InstallerMachine,
  type TestImage,
  testInstaller,
} from '../../../support/installer-contract';

/** A script with two slots in files, as a user would write it. */
const script = `#!/bin/sh
set -eu
cd "$MACHINE"
booted=$(cat booted)
case "$IOTKIT_ACTION" in
  status)
    next=$(cat next)
    state() { if [ -e "$1.good" ]; then echo good; elif [ -e "$1.trial" ]; then echo trial; else echo bad; fi; }
    echo "asked for the state"
    printf '{"booted": "%s", "next": "%s", "slots": [{"name": "A", "state": "%s"}, {"name": "B", "state": "%s"}]}\\n' \\
      "$booted" "$next" "$(state A)" "$(state B)" ;;
  install)
    if [ "$booted" = A ]; then slot=B; else slot=A; fi
    rm -f "$slot.good" "$slot.trial" "$slot.whole"
    if [ "$IOTKIT_IMAGE" = - ]; then cat > "$slot.img"; else cat "$IOTKIT_IMAGE" > "$slot.img"; fi
    echo '{"progress": 0.5, "step": "checking"}'
    [ "$(wc -c < "$slot.img")" = "$IOTKIT_SIZE" ] || { echo "too short"; exit 1; }
    grep -q '^system ' "$slot.img" || { echo "no system"; exit 65; }
    : > "$slot.whole"
    echo '{"progress": 1}'
    echo "{\\"slot\\": \\"$slot\\"}" ;;
  activate)
    [ -e "$IOTKIT_SLOT.whole" ] || { echo "no such slot"; exit 1; }
    : > "$IOTKIT_SLOT.trial"
    echo "$IOTKIT_SLOT" > next ;;
  mark-good)
    rm -f "$booted.trial"; : > "$booted.good" ;;
  mark-bad)
    rm -f "$IOTKIT_SLOT.good" "$IOTKIT_SLOT.trial"
    if [ "$(cat next)" = "$IOTKIT_SLOT" ]; then
      if [ "$IOTKIT_SLOT" = A ]; then echo B > next; else echo A > next; fi
    fi ;;
  reboot) cp next booted ;;
esac
`;

class ScriptedMachine implements InstallerMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'iotkit-command-'));
  readonly installer: Installer;

  constructor(takes: 'file' | 'stream') {
    const file = (name: string, text: string): void => writeFileSync(join(this.folder, name), text);
    file('installer', script);
    file('booted', 'A\n');
    file('next', 'A\n');
    file('A.img', 'system 1.0.0\n');
    file('B.img', '');
    file('A.good', '');
    file('A.whole', '');
    const argv = ['sh', join(this.folder, 'installer')];
    this.installer = commandInstaller({ argv, env: { MACHINE: this.folder }, takes });
  }

  async restart(): Promise<void> {
    await this.installer.reboot();
  }

  async image(version: string): Promise<TestImage> {
    return this.#image(version, `system ${version}\n${'x'.repeat(5000)}\n`);
  }

  async wrongImage(): Promise<TestImage> {
    return this.#image('2.0.0', 'for another machine');
  }

  #image(version: string, text: string): TestImage {
    const path = join(this.folder, `${version}.image`);
    writeFileSync(path, text);
    return { version, path, bytes: Buffer.from(text) };
  }

  async versionIn(slot: string): Promise<string | undefined> {
    return /^system (\S+)/.exec(readFileSync(join(this.folder, `${slot}.img`), 'utf8'))?.[1];
  }

  async close(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

testInstaller('a script that takes a file', async () => new ScriptedMachine('file'));
testInstaller('a script that takes a stream', async () => new ScriptedMachine('stream'));

test('a script that reads a part succeeds only when all of the stream was right', async () => {
  const failure = new Error('wrong digest');
  async function* open(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 64; i += 1) yield Buffer.alloc(65536);
    throw failure;
  }
  const code = `head -c 1000 >/dev/null; echo '{"slot": "B"}'`;
  const installer = commandInstaller({ argv: ['sh', '-c', code], takes: 'stream' });
  const given = { version: '2.0.0', module: '', size: 64 * 65536, open };
  await expect(installer.install(given)).rejects.toBe(failure);
});

test('a waiting file that was exchanged fails, though the script has taken it', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'iotkit-command-')), 'image');
  writeFileSync(path, 'system 6.6.6');
  const digest = { method: 'sha256', value: sha256(Buffer.from('system 2.0.0')) } as const;
  const argv = ['sh', '-c', `cat >/dev/null; echo '{"slot": "B"}'`];
  const installer = commandInstaller({ argv, takes: 'stream' });
  const given = { version: '2.0.0', module: '', size: 12, path, digest };
  await expect(installer.install(given)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  rmSync(dirname(path), { recursive: true });
});

test('the lines of docs/install/command.md notice a part of an image', async () => {
  const page = readFileSync(join(__dirname, '../../../../docs/install/command.md'), 'utf8');
  const [, lines = ''] = /```sh\n\s*(found=[^`]*)```/.exec(page) ?? [];
  const code = `device=/dev/null\n${lines}\necho '{"slot": "B"}'`;
  const installer = commandInstaller({ argv: ['sh', '-c', code], takes: 'stream' });
  const bytes = Buffer.from('system 2.0.0');
  async function* open(end: number): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, end);
  }
  for (const method of ['sha256', 'md5'] as const) {
    const digest = { method, value: createHash(method).update(bytes).digest('hex') };
    const given = { version: '2.0.0', module: '', size: bytes.length, digest };
    expect(await installer.install({ ...given, open: () => open(12) })).toEqual({ slot: 'B' });
    await expect(installer.install({ ...given, open: () => open(6) })).rejects.toMatchObject({
      code: 'ERR_INSTALL_REFUSED',
      detail: expect.stringContaining('not the whole image'),
    });
  }
});

const says = (code: string) => commandInstaller({ argv: ['sh', '-c', code] });
const image = { version: '2.0.0', module: 'mcu', size: 3, path: '/an image' };

test('what a script is given', async () => {
  const names = ['ACTION', 'VERSION', 'MODULE', 'SIZE', 'DIGEST_METHOD', 'DIGEST', 'IMAGE'];
  const values = names.map((name) => `$IOTKIT_${name}`).join(',');
  const { slot } = await says(`echo "{\\"slot\\": \\"${values}\\"}"`).install({
    ...image,
    digest: { method: 'md5', value: 'ab' },
  });
  expect(slot).toBe('install,2.0.0,mcu,3,md5,ab,/an image');
});

test.each([
  [65, 'ERR_INSTALL_REFUSED'],
  [69, 'ERR_INSTALL_UNAVAILABLE'],
  [73, 'ERR_NO_SPACE'],
  [75, 'ERR_INSTALL_BUSY'],
  [78, 'ERR_INSTALL_SETUP'],
  [1, 'ERR_INSTALL_FAILED'],
])('exit code %i is %s', async (exit, code) => {
  await expect(says(`echo because; exit ${exit}`).markGood()).rejects.toMatchObject({
    code,
    detail: `mark-good: sh ended with ${exit}: because`,
  });
});

const right = { booted: 'A', next: 'A', slots: [{ name: 'A', state: 'good' }] };
const withSlot = (slot: unknown): object => ({ ...right, slots: [...right.slots, slot] });

test('answers that are none', async () => {
  const objects = [
    {},
    ...[undefined, null, 1, [], {}].flatMap((it) => [
      { ...right, booted: it },
      { ...right, next: it },
      withSlot({ name: it, state: 'good' }),
      withSlot({ name: 'B', state: it }),
    ]),
    ...[undefined, null, 1, 'A', {}].map((slots) => ({ ...right, slots })),
    ...[null, 1, 'A', [], {}, { name: 'B', state: 'fine' }].map(withSlot),
  ];
  for (const answer of ['', '{', 'null', '[]', ...objects.map((it) => JSON.stringify(it))]) {
    await expect(says(`echo '${answer}'`).status()).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: expect.stringContaining('status must write a line {"booted": "A", "next": "A", '),
    });
  }
  for (const answer of ['', '{', 'null', '{"slot": ""}', '{"slot": null}', '{"slot": ["B"]}']) {
    await expect(says(`echo '${answer}'`).install(image)).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: 'sh install must write a line {"slot": "B"}',
    });
  }
});

test('an answer that is wrong is shown', async () => {
  const answer = JSON.stringify(withSlot(null));
  await expect(says(`echo '${answer}'`).status()).rejects.toMatchObject({
    detail: expect.stringMatching(/\(a state is good, trial, bad, unknown\), not .*null\]}$/),
  });
});

test('a script that takes too long', async () => {
  const slow = commandInstaller({ argv: ['sleep', '600'], timeoutMs: 10, installTimeoutMs: 10 });
  await expect(slow.status()).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT' });
  await expect(slow.install(image)).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT' });
});

test('a stream is given as it comes', async () => {
  const machine = new ScriptedMachine('stream');
  const { slot } = await machine.installer.install(given(await machine.image('3.0.0'), 'stream'));
  expect(await machine.versionIn(slot)).toBe('3.0.0');
  await machine.close();
});

test.each([
  [{}, 'argv'],
  [{ argv: [] }, 'argv'],
  [{ argv: ['x'], env: { A: 1 } }, 'env.A'],
  [{ argv: ['x'], takes: 'both' }, 'takes'],
  [{ argv: ['x'], timeoutMs: 0 }, 'timeoutMs'],
])('options %j are refused', (options, name) => {
  expect(() => commandInstaller(options as never)).toThrow(name);
});
