// Tested by test/peers/install/rauc.test.ts.
/** RAUC's interface on the D-Bus, `de.pengutronix.rauc.Installer`, as `busctl` shows it in JSON. */
import { IotkitError } from '../../base/errors';
import { type RunResult, run } from '../child';

/** @internal A slot that a boot loader knows. */
export interface RaucSlot {
  readonly name: string;
  readonly isBooted: boolean;
  readonly bootStatus: string;
  /** As RAUC remembers it, which after a crash need not be what is there. */
  readonly version: string | undefined;
}

/** @internal */
export interface RaucProgress {
  readonly isInstalling: boolean;
  readonly percentage: number;
  readonly message: string;
  /** Of the last installation; `''`: none. */
  readonly lastError: string;
}

const NAME = 'de.pengutronix.rauc';
const INTERFACE = 'de.pengutronix.rauc.Installer';
const TIMEOUT_MS = 60_000;

/** @internal One machine's RAUC. Rejects with an `IotkitError` of those of an installer. */
export class RaucService {
  constructor(private readonly bus: string | undefined) {}

  async slots(): Promise<readonly RaucSlot[]> {
    const [list] = (await this.#call('GetSlotStatus')) as [Array<[string, Variants]>];
    return list
      .filter(([, values]) => values.bootname !== undefined)
      .map(([name, values]) => ({
        name,
        isBooted: textOf(values.state) === 'booted',
        bootStatus: textOf(values['boot-status']) ?? '',
        version: textOf(values['bundle.version']),
      }));
  }

  /** The slot that the next start takes; `''`: none may start, as with GRUB until one is confirmed. */
  async primary(): Promise<string> {
    try {
      const [name] = (await this.#call('GetPrimary')) as [string];
      return name;
    } catch (error) {
      if (IotkitError.is(error) && /no bootable slot/i.test(error.detail)) return '';
      throw error;
    }
  }

  /** `slot`: a name, or `booted`. */
  async mark(how: 'good' | 'bad' | 'active', slot: string): Promise<void> {
    await this.#call('Mark', 'ss', how, slot);
  }

  /** Returns when it has begun. */
  async install(bundle: string): Promise<void> {
    await this.#call('InstallBundle', 'sa{sv}', bundle, '0');
  }

  async progress(): Promise<RaucProgress> {
    const argv = ['get-property', NAME, '/', INTERFACE, 'Operation', 'Progress', 'LastError'];
    const [operation, progress, lastError] = (await this.#busctl(argv)) as [
      { data: string },
      { data: [number, string, number] },
      { data: string },
    ];
    const [percentage, message] = progress.data;
    const isInstalling = operation.data !== 'idle';
    return { isInstalling, percentage, message, lastError: lastError.data };
  }

  /** The connection that has the name now: another one after the service was started anew. */
  async owner(): Promise<string> {
    const bus = 'org.freedesktop.DBus';
    const call = ['call', bus, '/org/freedesktop/DBus', bus, 'GetNameOwner', 's', NAME];
    const [reply] = (await this.#busctl(call)) as [{ data: [string] }];
    return reply.data[0];
  }

  async #call(method: string, ...args: readonly string[]): Promise<unknown> {
    const [reply] = await this.#busctl(['call', NAME, '/', INTERFACE, method, ...args]);
    // No line: a call without a result.
    return (reply as { readonly data: unknown } | undefined)?.data;
  }

  async #busctl(args: readonly string[]): Promise<unknown[]> {
    const address = this.bus === undefined ? ['--system'] : [`--address=${this.bus}`];
    const argv = ['busctl', ...address, '--json=short', ...args];
    const result = await run({ argv, timeoutMs: TIMEOUT_MS, env: { LC_ALL: 'C' } });
    if (result.code !== 0) throw failed(result);
    const lines = result.stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as unknown);
  }
}

type Variants = Readonly<Record<string, { readonly data: unknown } | undefined>>;

function textOf(value: { readonly data: unknown } | undefined): string | undefined {
  return typeof value?.data === 'string' ? value.data : undefined;
}

/** What busctl says where there is no bus, and where the bus has nobody of the name. */
const isAbsent =
  /^failed to connect|^connection |not provided by|no owner|no such name|disconnected|^unit \S+ not found/i;

// Of its own busctl speaks on its standard error; what RAUC says follows on "Call failed:".
function failed({ stderr }: RunResult): IotkitError {
  const words = stderr.trim().replace(/^Call failed: /, '');
  if (/already processing/i.test(words)) return new IotkitError('ERR_INSTALL_BUSY', words);
  if (isAbsent.test(words)) {
    return new IotkitError('ERR_INSTALL_UNAVAILABLE', `RAUC does not answer on the bus: ${words}`);
  }
  return new IotkitError('ERR_BOOT_STATE', `RAUC: ${words}`);
}
