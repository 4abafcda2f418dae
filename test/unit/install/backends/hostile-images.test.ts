// What an archive may hold that nobody wants unpacked: by GNU tar and by busybox's, as root and as another user.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { directoriesInstaller } from '../../../../lib/install/backends/directories';
import { archiveOf, type TarEntry } from '../../../support/tar';

const backend = join(__dirname, '../../../../dist/install/index.js');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

function where(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

const busybox = where('busybox');
const tars = ['tar', ...(busybox === undefined ? [] : ['busybox'])];
const users = isRoot ? ['root', 'another user'] : ['this user'];
const ways = tars.flatMap((tar) => users.map((user) => [tar, user] as const));

// One process for all images of a user and a `tar`, each of them into a root of its own.
const code = `
  const fs = require('node:fs');
  const { directoriesInstaller } = require(process.env.BACKEND);
  const images = fs.readdirSync('.').filter((name) => name.endsWith('.tar'));
  if (process.env.USER_ID !== '') {
    const id = Number(process.env.USER_ID);
    process.setgroups([]); process.setgid(id); process.setuid(id);
  }
  process.umask(0o022);
  const warnings = [];
  process.on('warning', ({ message }) => warnings.push(message));
  (async () => {
    const outcomes = {};
    for (const image of images) {
      const name = image.slice(0, -4);
      const bytes = fs.readFileSync(image);
      const installer = directoriesInstaller({ root: name + '/app', restart: ['true'] });
      const open = async function* () { yield bytes; };
      outcomes[name] = await installer
        .install({ version: '2.0.0', module: '', size: bytes.length, open })
        .then(() => ({ code: '', detail: '' }), ({ code, detail }) => ({ code, detail }));
    }
    setImmediate(() => console.log(JSON.stringify({ outcomes, warnings })));
  })();`;

interface Outcome {
  /** The error's code; `''`: it was installed. */
  readonly code: string;
  readonly detail: string;
}

/** A root and a file outside of it, for one image. */
class Place {
  outcome!: Outcome;
  readonly #folder: string;
  readonly #victim: string;

  constructor(folder: string, entries: (outside: string) => readonly TarEntry[], owner: number) {
    this.#folder = folder;
    this.#victim = join(folder, 'victim');
    mkdirSync(this.#path('releases/1.0.0'), { recursive: true });
    writeFileSync(this.#path('releases/1.0.0/version'), '1.0.0');
    symlinkSync('releases/1.0.0', this.#path('current'));
    for (const name of ['', 'releases', 'releases/1.0.0', 'releases/1.0.0/version']) {
      if (isRoot) chownSync(this.#path(name), owner, owner);
    }
    mkdirSync(this.#victim);
    writeFileSync(join(this.#victim, 'secret'), 'secret', { mode: 0o600 });
    writeFileSync(`${folder}.tar`, archiveOf(...entries(this.#victim)));
  }

  /** A path in the release that the image became. */
  release(...names: string[]): string {
    return this.#path('releases/2.0.0', ...names);
  }

  /** Nothing outside of the new release is another than before, and nothing is left beside it. */
  expectUnharmed(): void {
    expect(readdirSync(this.#victim)).toEqual(['secret']);
    const secret = join(this.#victim, 'secret');
    expect(readFileSync(secret, 'utf8')).toBe('secret');
    expect(lstatSync(secret).nlink).toBe(1);
    expect(statSync(secret).mode & 0o7777).toBe(0o600);
    const version = this.#path('releases/1.0.0/version');
    expect(readFileSync(version, 'utf8')).toBe('1.0.0');
    expect(lstatSync(version).nlink).toBe(1);
    const whole = this.outcome.code === '' ? ['1.0.0', '2.0.0'] : ['1.0.0'];
    expect(readdirSync(this.#path('releases')).sort()).toEqual(whole);
    expect(readlinkSync(this.#path('current'))).toBe('releases/1.0.0');
    expect(readdirSync(this.#folder).sort()).toEqual(['app', 'victim']);
  }

  #path(...names: string[]): string {
    return join(this.#folder, 'app', ...names);
  }
}

type Entries = (outside: string) => readonly TarEntry[];

const ok: TarEntry = { name: 'ok', bytes: 'ok' };

/** None of these harms anything outside, whether it is refused or not. */
const outside: Readonly<Record<string, Entries>> = {
  'an absolute name': (victim) => [{ name: `${victim}/evil`, bytes: 'evil' }],
  'a name with ..': () => [{ name: '../../../../victim/evil', bytes: 'evil' }],
  'a name with .. later': () => [{ name: 'a/../../../../../victim/evil', bytes: 'evil' }],
  'the parent itself': () => [{ name: '../..', type: 'folder', mode: 0o777 }],
  'a name in a PAX header': () => [
    { name: 'ok', bytes: 'evil', pax: { path: '../../../../victim/evil' } },
  ],
  'a long name': () => [{ name: `${'../'.repeat(40)}${'x/'.repeat(40)}evil`, bytes: 'evil' }],
  'a file through an absolute link': (victim) => [
    { name: 'out', type: 'link', target: victim },
    { name: 'out/evil', bytes: 'evil' },
  ],
  'a file through a link with ..': () => [
    { name: 'out', type: 'link', target: '../../../../victim' },
    { name: 'out/evil', bytes: 'evil' },
  ],
  'a file through two links': () => [
    { name: 'a', type: 'link', target: 'b' },
    { name: 'b', type: 'link', target: '../../../../victim' },
    { name: 'a/evil', bytes: 'evil' },
  ],
  'a file through a link in a link': () => [
    { name: 'a', type: 'link', target: '.' },
    { name: 'a/b', type: 'link', target: '../../../../victim' },
    { name: 'b/evil', bytes: 'evil' },
  ],
  'a file in place of a link': (victim) => [
    { name: 'a', type: 'link', target: `${victim}/secret` },
    { name: 'a', bytes: 'evil' },
  ],
  'a file in place of a hard link': (victim) => [
    { name: 'a', type: 'hardLink', target: `${victim}/secret` },
    { name: 'a', bytes: 'evil' },
  ],
  'a folder with a slash, a link of its name, a file in it': (victim) => [
    { name: 'a/', type: 'folder', mode: 0o755 },
    { name: 'a', type: 'link', target: victim },
    { name: 'a/evil', bytes: 'evil' },
  ],
};

const refused: Readonly<Record<string, Entries>> = {
  'a hard link to a path': (victim) => [
    { name: 'h', type: 'hardLink', target: `${victim}/secret` },
  ],
  'a hard link by ..': () => [{ name: 'h', type: 'hardLink', target: '../../1.0.0/version' }],
  'a hard link through a link': (victim) => [
    { name: 'l', type: 'link', target: victim },
    { name: 'h', type: 'hardLink', target: 'l/secret' },
  ],
  'a FIFO': () => [ok, { name: 'special', type: 'fifo' }],
  'a name of no UTF-8, and a FIFO': () => [
    { name: Buffer.from('h\u00e9', 'latin1'), bytes: 'file' },
    { name: 'special', type: 'fifo' },
  ],
  'a name that no file system takes': () => [{ name: 'x'.repeat(300), bytes: 'x' }],
};

/** Only root can make them: for others a `tar` fails, or leaves them out. */
const devices: Readonly<Record<string, Entries>> = {
  'a character device': () => [ok, { name: 'special', type: 'characterDevice', mode: 0o666 }],
  'a block device': () => [ok, { name: 'special', type: 'blockDevice', mode: 0o666 }],
};

/** Root reads them. */
const closed: Readonly<Record<string, Entries>> = {
  'a folder of mode 0000': () => [{ name: 'closed', type: 'folder', mode: 0 }],
  'a folder of mode 0300': () => [
    { name: 'closed', type: 'folder', mode: 0o300 },
    { name: 'closed/file', bytes: 'file' },
  ],
  'a file of mode 0000': () => [{ name: 'closed', mode: 0, bytes: 'x' }],
};

const rootModes = [0, 0o700, 0o777] as const;
const latin1 = Buffer.from('h\u00e9\n', 'latin1');
const others: Readonly<Record<string, Entries>> = {
  'links within': () => [
    { name: 'file', bytes: 'file' },
    { name: 'same', type: 'hardLink', target: 'file' },
    { name: 'link', type: 'link', target: 'file' },
    { name: 'log', type: 'link', target: '/var/log' },
  ],
  'lent rights': () => [
    { name: 'program', mode: 0o6755, bytes: 'x' },
    { name: 'folder', type: 'folder', mode: 0o7777 },
    { name: 'folder/program', mode: 0o7777, bytes: 'x', owner: 0 },
  ],
  'other names': () => [
    { name: Buffer.concat([latin1, Buffer.from('/')]), type: 'folder', mode: 0o755 },
    { name: Buffer.concat([latin1, Buffer.from('/file')]), bytes: 'file' },
  ],
  ...Object.fromEntries(
    rootModes.map((mode): [string, Entries] => [
      `a root of mode ${mode}`,
      () => [
        { name: './', type: 'folder', mode, owner: 4321 },
        { name: './file', bytes: 'file' },
      ],
    ]),
  ),
};

describe.each(ways)('by %s, as %s', (tar, user) => {
  const owner = user === 'another user' ? NOBODY : (process.getuid?.() ?? 0);
  const all = Object.entries({ ...outside, ...refused, ...devices, ...closed, ...others });
  const places = new Map<string, Place>();
  const place = (name: string): Place => places.get(name) as Place;
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iotkit-hostile-'));
    chmodSync(folder, 0o755);
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    if (tar === 'busybox') symlinkSync(busybox as string, join(bin, 'tar'));
    for (const [i, [name, entries]] of all.entries()) {
      places.set(name, new Place(join(folder, `${i}`), entries, owner));
    }
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', code], {
      cwd: folder,
      env: {
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        BACKEND: backend,
        USER_ID: user === 'another user' ? `${NOBODY}` : '',
      },
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const { outcomes, warnings } = JSON.parse(stdout);
    expect(warnings).toEqual([]);
    for (const [i, [name]] of all.entries()) {
      Object.assign(place(name), { outcome: outcomes[i] });
      rmSync(join(folder, `${i}.tar`));
    }
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(Object.keys(outside))('%s harms nothing outside', (name) => {
    place(name).expectUnharmed();
  });

  test.each(Object.keys(refused))('%s: no release', (name) => {
    // Not all of it can a `tar` do for everybody, and then it says so itself.
    expect(place(name).outcome.code).toMatch(/^ERR_INSTALL_(REFUSED|FAILED)$/);
    place(name).expectUnharmed();
  });

  test.each(Object.keys(devices))('%s: in no release', (name) => {
    const { outcome } = place(name);
    if (owner === 0) {
      const detail = 'special in the image is a special file';
      expect(outcome).toMatchObject({ code: 'ERR_INSTALL_REFUSED', detail });
    }
    expect(existsSync(place(name).release('special'))).toBe(false);
    place(name).expectUnharmed();
  });

  test.each(Object.keys(closed))('%s: refused to whoever cannot read it', (name) => {
    const { outcome } = place(name);
    if (owner === 0) expect(outcome).toMatchObject({ code: '' });
    else {
      const detail = expect.stringMatching(/^closed .*chmod/);
      expect(outcome).toMatchObject({ code: 'ERR_INSTALL_REFUSED', detail });
    }
    place(name).expectUnharmed();
  });

  test('hard links within the release, and links, stay what they are', () => {
    const it = place('links within');
    expect(it.outcome).toMatchObject({ code: '' });
    it.expectUnharmed();
    const { ino } = lstatSync(it.release('same'));
    expect(lstatSync(it.release('file'))).toMatchObject({ ino, nlink: 2 });
    expect(readFileSync(it.release('link'), 'utf8')).toBe('file');
    expect(readlinkSync(it.release('log'))).toBe('/var/log');
  });

  test('no bit that lends the rights of an owner comes with a file, nor its owner', () => {
    const it = place('lent rights');
    expect(it.outcome).toMatchObject({ code: '' });
    for (const name of ['program', 'folder/program']) {
      expect(lstatSync(it.release(name)).mode & 0o6000).toBe(0);
      expect(lstatSync(it.release(name)).uid).toBe(owner);
    }
    it.expectUnharmed();
  });

  test.each(rootModes)('an entry ./ of mode %i is not the mode of the release', (mode) => {
    const it = place(`a root of mode ${mode}`);
    expect(it.outcome).toMatchObject({ code: '' });
    expect(statSync(it.release()).mode & 0o7777).toBe(0o755);
    expect(readFileSync(it.release('file'), 'utf8')).toBe('file');
    it.expectUnharmed();
  });

  test('names of no UTF-8, and with line breaks', () => {
    const it = place('other names');
    expect(it.outcome).toMatchObject({ code: '' });
    expect(readdirSync(it.release(), { encoding: 'buffer' })).toEqual([latin1]);
    it.expectUnharmed();
  });
});

test('while it is unpacked nobody else gets at what is in it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'iotkit-hostile-'));
  const bytes = archiveOf({ name: 'ok', bytes: 'ok' }, { name: 'late', bytes: 'late' });
  const modes: number[] = [];
  async function* open(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 1024);
    for (const name of readdirSync(join(root, 'releases'))) {
      modes.push(statSync(join(root, 'releases', name)).mode & 0o777);
    }
    yield bytes.subarray(1024);
  }
  try {
    const installer = directoriesInstaller({ root, restart: ['true'] });
    await installer.install({ version: '2.0.0', module: '', size: bytes.length, open });
    expect(modes).toEqual([0o700]);
    expect(readFileSync(join(root, 'releases/2.0.0/late'), 'utf8')).toBe('late');
  } finally {
    rmSync(root, { recursive: true });
  }
});
