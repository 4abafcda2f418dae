// Tested by test/peers/install/rauc.test.ts.
/**
 * RAUC, over its D-Bus interface: by `busctl`, a child process for each call. Nothing has to be
 * installed from npm for it, and it is on each machine whose RAUC service systemd starts. The
 * progress is asked for every half second: RAUC's signals come in no fixed order, and none comes
 * where the service ends in the middle, which a question notices.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { options as checkOptions, flag, optional, orElse, text } from '../../base/arguments';
import { withEnd } from '../../base/cleanup';
import { IotkitError } from '../../base/errors';
import { throwIfAborted } from '../../base/signals';
import { assertRestartable, restartMachine } from '../boot/reboot';
import type {
  Installed,
  Installer,
  InstallerStatus,
  InstallImage,
  InstallOptions,
  RestartOptions,
  Slot,
  SlotState,
} from '../installer';
import { checkCommand, checkTimeout } from './checks';
import { type RaucProgress, RaucService, type RaucSlot } from './rauc-service';

/** Options of {@link raucInstaller}. */
export interface RaucInstallerOptions {
  /**
   * Whether RAUC activates what it has installed, which `activate-installed=false` in the section
   * `[system]` of its `system.conf` switches off. It cannot be asked for that. Default true.
   */
  readonly activates?: boolean | undefined;
  /** Address of the bus, such as `unix:path=/run/bus`. Default: the system's bus. */
  readonly bus?: string | undefined;
  /** How long an installation may take, milliseconds, 1,000-86,400,000. Default an hour. */
  readonly timeoutMs?: number | undefined;
  /** What restarts the machine. Default `systemctl reboot`, without systemd `reboot`. */
  readonly reboot?: readonly string[] | undefined;
}

/** Between two questions: soon after the beginning, and later. */
const SHORTEST_MS = 20;
const POLL_MS = 500;

/**
 * Makes an installer that gives bundles to the RAUC service. RAUC takes a file, so the whole bundle
 * is downloaded first. It cannot be stopped: an abort waits for the end of the installation, then
 * marks the slot bad, and rejects.
 *
 * @throws `InvalidArgument` that names the option
 * @example
 * raucInstaller({ activates: false });
 */
export function raucInstaller(options?: RaucInstallerOptions): Installer {
  const given = checkOptions<RaucInstallerOptions>('options', options, [
    'activates',
    'bus',
    'timeoutMs',
    'reboot',
  ]);
  const bus = optional(given.bus, (value) =>
    text('bus', value, { max: 512, pattern: /^[a-z]+:/, expected: 'the address of a bus' }),
  );
  return new RaucInstaller(new RaucService(bus), {
    activates: flag('activates', orElse(given.activates, true)),
    timeoutMs: checkTimeout('timeoutMs', given.timeoutMs),
    reboot: checkCommand('reboot', given.reboot),
  });
}

interface Checked {
  readonly activates: boolean;
  readonly timeoutMs: number;
  readonly reboot: readonly string[] | undefined;
}

class RaucInstaller implements Installer {
  readonly kind = 'rauc';
  readonly takes = 'file';
  readonly restarts = 'machine';
  readonly fallsBack = true;

  constructor(
    private readonly service: RaucService,
    private readonly options: Checked,
  ) {}

  get activates(): boolean {
    return this.options.activates;
  }

  async status(): Promise<InstallerStatus> {
    const [slots, next] = await Promise.all([this.service.slots(), this.service.primary()]);
    const booted = bootedOf(slots).name;
    return { booted, next, slots: slots.map((slot) => slotOf(slot, next)) };
  }

  async install(image: InstallImage, options: InstallOptions = {}): Promise<Installed> {
    const { signal } = options;
    throwIfAborted(signal);
    const { path } = image;
    if (path === undefined) {
      throw new IotkitError('ERR_INSTALL_FAILED', 'RAUC takes the path of a bundle, no stream');
    }
    await assertRestartable(this.options.reboot);
    const { name } = otherOf(await this.service.slots());
    // RAUC does so as well, but only when it has checked the bundle; what is in there is given up.
    await this.service.mark('bad', name);
    const owner = await this.service.owner();
    await this.service.install(path);
    await withEnd(
      () => this.#watch(owner, options),
      () => (signal?.aborted ? this.service.mark('bad', name) : undefined),
    );
    throwIfAborted(signal);
    return { slot: name };
  }

  async activate(slot: string): Promise<void> {
    await this.#assertKnown(slot);
    if ((await this.service.primary()) === slot) return;
    await this.service.mark('active', slot);
  }

  async markGood(): Promise<void> {
    await this.service.mark('good', 'booted');
  }

  async markBad(slot: string): Promise<void> {
    const slots = await this.#assertKnown(slot);
    const booted = bootedOf(slots).name;
    if (slot === booted) {
      const other = otherOf(slots);
      if (other.bootStatus === 'bad') {
        const detail = `no other slot than ${slot} can start, so it stays what the next start takes`;
        throw new IotkitError('ERR_BOOT_STATE', detail);
      }
      await this.service.mark('active', other.name);
    } else if ((await this.service.primary()) === slot) {
      await this.service.mark('active', booted);
    }
    await this.service.mark('bad', slot);
  }

  reboot({ signal }: RestartOptions = {}): Promise<void> {
    return restartMachine(this.options.reboot, signal);
  }

  /** Until RAUC is idle again, and what it says then. */
  async #watch(owner: string, { onProgress }: InstallOptions): Promise<void> {
    const until = performance.now() + this.options.timeoutMs;
    for (let last = -1, pause = SHORTEST_MS; ; pause = Math.min(2 * pause, POLL_MS)) {
      const progress = await this.#progress(owner);
      if (progress.percentage >= last && progress.isInstalling) {
        last = progress.percentage;
        onProgress?.({ fraction: Math.min(1, last / 100), step: progress.message });
      }
      if (!progress.isInstalling) return assertDone(progress, onProgress);
      if (performance.now() > until) {
        throw new IotkitError('ERR_INSTALL_TIMEOUT', `RAUC is still at: ${progress.message}`);
      }
      await sleep(pause);
    }
  }

  async #progress(owner: string): Promise<RaucProgress> {
    const progress = await this.service.progress().catch((error: unknown) => {
      throw IotkitError.is(error) && error.code === 'ERR_INSTALL_UNAVAILABLE' ? ended() : error;
    });
    // D-Bus has started another one for the question, and that knows of no installation.
    if ((await this.service.owner()) !== owner) throw ended();
    return progress;
  }

  async #assertKnown(slot: string): Promise<readonly RaucSlot[]> {
    const slots = await this.service.slots();
    if (slots.some(({ name }) => name === slot)) return slots;
    const names = slots.map(({ name }) => name).join(', ');
    const detail = `RAUC has no slot ${JSON.stringify(slot)} to start; it has ${names}`;
    throw new IotkitError('ERR_INSTALL_SETUP', detail);
  }
}

function bootedOf(slots: readonly RaucSlot[]): RaucSlot {
  const booted = slots.find(({ isBooted }) => isBooted);
  if (booted !== undefined) return booted;
  const detail = 'RAUC does not know which slot is running; see bootname in its system.conf';
  throw new IotkitError('ERR_INSTALL_SETUP', detail);
}

function otherOf(slots: readonly RaucSlot[]): RaucSlot {
  bootedOf(slots);
  const others = slots.filter(({ isBooted }) => !isBooted);
  const other = others.find(({ bootStatus }) => bootStatus === 'bad') ?? others[0];
  if (other !== undefined) return other;
  throw new IotkitError('ERR_INSTALL_SETUP', 'RAUC has no second slot with a bootname');
}

/**
 * RAUC calls a slot good that may start: whether somebody has confirmed it, it cannot say. With GRUB
 * it calls the booted one bad until it is confirmed.
 */
function slotOf({ name, bootStatus, isBooted, version }: RaucSlot, next: string): Slot {
  if (isBooted) return { name, state: 'unknown', version };
  const mayStart: SlotState = name === next ? 'trial' : 'unknown';
  return { name, state: bootStatus === 'bad' ? 'bad' : mayStart, version };
}

function ended(): IotkitError {
  return new IotkitError('ERR_INSTALL_FAILED', 'the service of RAUC ended while it installed');
}

function assertDone(
  { lastError, message }: RaucProgress,
  onProgress: InstallOptions['onProgress'],
): void {
  if (lastError === '') {
    onProgress?.({ fraction: 1, step: message });
    return;
  }
  const isRefused = /bundle|signature|verif|compatible|manifest|certificate/i.test(lastError);
  throw new IotkitError(isRefused ? 'ERR_INSTALL_REFUSED' : 'ERR_INSTALL_FAILED', lastError);
}
