/**
 * What every installer has to do, whatever is beneath: the tests of a backend call
 * `testInstaller()` with a way to make a machine, real or simulated, that has two slots.
 */
import { readFile } from 'node:fs/promises';
import type { Installed, Installer, InstallImage } from '../../lib/install/installer';
import { sha256 } from './image';

/** A machine with two slots, of which the booted one is confirmed. */
export interface InstallerMachine {
  /** The installer as the system that runs now has it; another one after each restart. */
  readonly installer: Installer;
  /**
   * The machine restarts, however it was: what its boot loader or supervisor does is done, the power
   * being cut included. Children that are still there end with it.
   */
  restart(): Promise<void>;
  /** Whether calls that are under way at a restart never settle; otherwise they end with their child or image. */
  readonly losesCalls?: boolean;
  /** An image that the installer takes, of this version; the same version has the same bytes. */
  image(version: string): Promise<TestImage>;
  /** The version that would run from the slot, read from its bytes; undefined: nothing whole. */
  versionIn(slot: string): Promise<string | undefined>;
  /** An image that is not for this machine, or not signed. Where there is none, that is not tested. */
  wrongImage?(): Promise<TestImage>;
  /** Removes all of it. */
  close(): Promise<void>;
}

/** An image: its bytes, and the file that holds them. */
export interface TestImage {
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly path: string;
  readonly digest?: InstallImage['digest'];
}

/** A file as an image, with its digest. */
export async function imageFile(version: string, path: string): Promise<TestImage> {
  const bytes = await readFile(path);
  return { version, bytes, path, digest: { method: 'sha256', value: sha256(bytes) } };
}

export interface ContractOptions {
  /** Starts without a confirmation until the machine falls back, at most. Default 4. */
  readonly triesMax?: number;
  /**
   * Whether the backend notices a stream that ends early by itself, such as by a size or a check in
   * the image. Default true.
   */
  readonly noticesTruncation?: boolean;
}

type Way = 'path' | 'stream';

/** How the image is given to `install()`. */
export function given(image: TestImage, way: Way): InstallImage {
  return {
    version: image.version,
    module: '',
    size: image.bytes.length,
    digest: image.digest,
    ...(way === 'path' ? { path: image.path } : { open: () => chunksOf(image.bytes) }),
  };
}

async function* chunksOf(bytes: Uint8Array, end = bytes.length): AsyncGenerator<Uint8Array> {
  const size = Math.max(1, Math.ceil(bytes.length / 7));
  for (let at = 0; at < end; at += size) yield bytes.subarray(at, Math.min(at + size, end));
}

export function testInstaller(
  name: string,
  open: () => Promise<InstallerMachine>,
  { triesMax = 4, noticesTruncation = true }: ContractOptions = {},
): void {
  describe(`the contract of an installer: ${name}`, () => {
    let machine: InstallerMachine;
    beforeEach(async () => {
      machine = await open();
    });
    afterEach(() => machine?.close());

    const ways = (): Way[] =>
      machine.installer.takes === 'stream' ? ['path', 'stream'] : ['path'];

    async function install(version: string, way: Way = 'path'): Promise<Installed> {
      return machine.installer.install(given(await machine.image(version), way));
    }

    /** What is booted, and runs from there: the system that was there before, unharmed. */
    async function expectUnharmed(booted: string, version: string | undefined): Promise<void> {
      const status = await machine.installer.status();
      expect(status).toMatchObject({ booted, next: booted });
      expect(await machine.versionIn(booted)).toBe(version);
    }

    async function stateOf(slot: string): Promise<string | undefined> {
      const { slots } = await machine.installer.status();
      return slots.find((it) => it.name === slot)?.state;
    }

    /** Restarts until this slot is booted; says after how many. */
    async function restartUntil(booted: string): Promise<number> {
      for (let starts = 1; starts <= triesMax; starts += 1) {
        await machine.restart();
        if ((await machine.installer.status()).booted === booted) return starts;
      }
      throw new Error(`${booted} was not booted within ${triesMax} starts`);
    }

    test('at first the booted slot is what starts next', async () => {
      const { booted, next, slots } = await machine.installer.status();
      expect(next).toBe(booted);
      expect(slots.map((slot) => slot.name)).toContain(booted);
    });

    test('installed, activated, started, confirmed; then it stays', async () => {
      for (const [i, way] of ways().entries()) {
        const version = `2.0.${i}`;
        const { booted: before } = await machine.installer.status();
        const { slot } = await install(version, way);
        expect(slot).not.toBe(before);
        expect(await machine.versionIn(slot)).toBe(version);
        if (!machine.installer.activates) {
          expect(await machine.installer.status()).toMatchObject({ booted: before, next: before });
        }
        await machine.installer.activate(slot);
        expect(await machine.installer.status()).toMatchObject({ booted: before, next: slot });
        await machine.restart();
        expect((await machine.installer.status()).booted).toBe(slot);
        expect(['trial', 'unknown']).toContain(await stateOf(slot));
        await machine.installer.markGood();
        expect(['good', 'unknown']).toContain(await stateOf(slot));
        for (let starts = 0; starts < triesMax; starts += 1) {
          await machine.restart();
          expect((await machine.installer.status()).booted).toBe(slot);
          await machine.installer.markGood();
        }
      }
    });

    test('what runs is confirmed after an installation: what was installed is still there', async () => {
      if (machine.installer.activates) return;
      const { slot } = await install('2.0.0');
      await machine.installer.markGood();
      await machine.installer.activate(slot);
      await machine.restart();
      expect((await machine.installer.status()).booted).toBe(slot);
      expect(await machine.versionIn(slot)).toBe('2.0.0');
    });

    test('progress goes from 0 to 1 and never back', async () => {
      const fractions: number[] = [];
      await machine.installer.install(given(await machine.image('2.0.0'), 'path'), {
        onProgress: ({ fraction, step }) => {
          expect(typeof step).toBe('string');
          fractions.push(fraction);
        },
      });
      expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
      for (const fraction of fractions) {
        expect(fraction).toBeGreaterThanOrEqual(0);
        expect(fraction).toBeLessThanOrEqual(1);
      }
    });

    test('what was installed and not activated never starts', async () => {
      if (machine.installer.activates) return;
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      await install('2.0.0');
      await machine.restart();
      await expectUnharmed(booted, version);
    });

    test('a slot that is never confirmed is left again', async () => {
      if (!machine.installer.fallsBack) return;
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      const { slot } = await install('2.0.0');
      await machine.installer.activate(slot);
      await machine.restart();
      expect((await machine.installer.status()).booted).toBe(slot);
      await restartUntil(booted);
      await expectUnharmed(booted, version);
      expect(await stateOf(slot)).not.toBe('good');
    });

    test('the booted slot is marked bad: the other one starts, and stays', async () => {
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      const { slot } = await install('2.0.0');
      await machine.installer.activate(slot);
      await machine.restart();
      await machine.installer.markBad(slot);
      await machine.installer.markBad(slot);
      expect((await machine.installer.status()).next).toBe(booted);
      await machine.restart();
      await machine.installer.markGood();
      await machine.restart();
      await expectUnharmed(booted, version);
      expect(['bad', 'unknown', undefined]).toContain(await stateOf(slot)); // it may be gone
    });

    test('the activated slot is marked bad before it has started', async () => {
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      const { slot } = await install('2.0.0');
      await machine.installer.activate(slot);
      await machine.installer.markBad(slot);
      await machine.restart();
      await expectUnharmed(booted, version);
    });

    test('each call may be made twice', async () => {
      await install('2.0.0');
      const { slot } = await install('2.1.0');
      await machine.installer.activate(slot);
      await machine.installer.activate(slot);
      await machine.restart();
      await machine.installer.markGood();
      await machine.installer.markGood();
      expect((await machine.installer.status()).booted).toBe(slot);
      expect(await machine.versionIn(slot)).toBe('2.1.0');
      expect(['good', 'unknown']).toContain(await stateOf(slot));
    });

    // The power is cut after each step, and at last in the middle of install(); then all is done anew.
    const steps = ['install', 'activate', 'restart', 'markGood'] as const;
    test.each([0, 1, 2, 3, 4])(
      'cut after %i steps, and begun again: it ends well',
      async (count) => {
        let slot = '';
        for (const step of steps.slice(0, count)) {
          if (step === 'install') slot = (await install('2.0.0')).slot;
          else if (step === 'activate') await machine.installer.activate(slot);
          else if (step === 'restart') await machine.restart();
          else await machine.installer.markGood();
        }
        await machine.restart();
        await machine.installer.markGood(); // whatever has started: an unconfirmed system installs nothing
        ({ slot } = await install('2.1.0'));
        await machine.installer.activate(slot);
        await machine.restart();
        await machine.installer.markGood();
        await machine.restart();
        expect((await machine.installer.status()).booted).toBe(slot);
        expect(await machine.versionIn(slot)).toBe('2.1.0');
      },
    );

    test('cut while the image is written: the old system starts, and installs anew', async () => {
      if (machine.installer.takes === 'file') return;
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      const image = await machine.image('2.0.0');
      let reached = (): void => {};
      const half = new Promise<void>((resolve) => {
        reached = resolve;
      });
      let leave = (): void => {};
      const gone = new Promise<void>((resolve) => {
        leave = resolve;
      });
      async function* stalls(): AsyncGenerator<Uint8Array> {
        yield* chunksOf(image.bytes, Math.floor(image.bytes.length / 2));
        reached();
        await gone;
        throw new Error('the machine is gone');
      }
      const cut = machine.installer
        .install({ ...given(image, 'stream'), open: stalls })
        .catch(() => {});
      await half;
      await machine.restart();
      await expectUnharmed(booted, version);
      const { slot } = await install('2.0.0');
      await machine.installer.activate(slot);
      await machine.restart();
      expect(await machine.versionIn((await machine.installer.status()).booted)).toBe('2.0.0');
      // What was cut may still be there, in a process that nobody has ended; it ends with its image.
      leave();
      await (machine.losesCalls ? machine.restart() : cut);
    });

    test('a stream that ends early, or fails, changes nothing of what starts', async () => {
      if (machine.installer.takes === 'file') return;
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      const image = await machine.image('2.0.0');
      const failure = new Error('the digest is another one');
      async function* fails(): AsyncGenerator<Uint8Array> {
        yield* chunksOf(image.bytes);
        throw failure;
      }
      const failing = machine.installer.install({ ...given(image, 'stream'), open: fails });
      await expect(failing).rejects.toBe(failure);
      await expectUnharmed(booted, version);
      if (noticesTruncation) {
        const open = () => chunksOf(image.bytes, Math.floor(image.bytes.length / 2));
        await expect(
          machine.installer.install({ ...given(image, 'stream'), open }),
        ).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
      }
      await machine.restart();
      await expectUnharmed(booted, version);
    });

    test('an abort ends install() with its reason; the next one succeeds', async () => {
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      const image = await machine.image('2.0.0');
      const reason = new Error('not now');
      const early = machine.installer.install(given(image, 'path'), {
        signal: AbortSignal.abort(reason),
      });
      await expect(early).rejects.toBe(reason);
      if (machine.installer.takes === 'stream') {
        const abort = new AbortController();
        async function* stalls(): AsyncGenerator<Uint8Array> {
          yield* chunksOf(image.bytes, 1);
          abort.abort(reason);
          await new Promise(() => {});
        }
        const stalled = machine.installer.install(
          { ...given(image, 'stream'), open: stalls },
          { signal: abort.signal },
        );
        await expect(stalled).rejects.toBe(reason);
      }
      await expectUnharmed(booted, version);
      expect(await machine.versionIn((await install('2.0.0')).slot)).toBe('2.0.0');
    });

    test('an image that is not for this machine is refused', async () => {
      const wrong = await machine.wrongImage?.();
      if (wrong === undefined) return;
      const { booted } = await machine.installer.status();
      const version = await machine.versionIn(booted);
      await expect(machine.installer.install(given(wrong, 'path'))).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_INSTALL_(REFUSED|FAILED)$/),
      });
      await expectUnharmed(booted, version);
      await machine.restart();
      await expectUnharmed(booted, version);
    });

    test('a slot that is not there, or may not be activated, is an error with a code', async () => {
      const { booted } = await machine.installer.status();
      await expect(machine.installer.activate('no such slot')).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_/),
      });
      expect(await machine.installer.status()).toMatchObject({ booted, next: booted });
    });
  });
}
