// Tested by test/integration/install-command.test.ts
/**
 * One update of an agent that nobody but this command has asked for. The agent is offered it as the platform would,
 * and left when the machine, or the service, is restarted into it: to prove and to confirm it is for the agent that
 * then runs. What the platform has to hear, that agent says too.
 */
import { throwIfAborted } from '../../base/signals';
import type { UpdateAgent } from '../../install/agent';
import type { UpdateModule } from '../../install/agent-options';
import type { Installer, RestartOptions } from '../../install/installer';
import type { UpdateEntry } from '../../install/record';
import type { UpdateDevice } from '../../install/reports';
import type { Upgrade } from '../../ota/upgrade';
import { CommandError } from '../errors';
import type { ProgressLine } from '../progress-line';

/** What was installed. */
export interface Installed {
  /** `default`, or its name. */
  readonly module: string;
  readonly version: string;
  readonly slot: string;
  /** Whether it has been restarted into. */
  readonly restarts: boolean;
}

export interface LocalUpdateOptions {
  /** Whether a user consents, where the policy asks for it. */
  readonly accepts: boolean;
  /** Whether it is restarted into, or whatever starts next finds it. */
  readonly restarts: boolean;
  readonly line: ProgressLine;
  readonly say: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Why the agent's reports do not get through: they wait in its record. */
const unheard = new Error('the platform hears of it from the agent');

export class LocalUpdate {
  /** The module, whose restart ends the update here. */
  readonly module: UpdateModule;
  readonly device: UpdateDevice;
  readonly #options: LocalUpdateOptions;
  readonly #ending = new AbortController();
  readonly #outcome: Promise<Installed>;
  #settle: (installed: Installed) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #upgrade: Promise<Upgrade>;
  #offer: (upgrade: Upgrade) => void = () => {};
  #agent: UpdateAgent | undefined;
  #last: unknown;
  #said = '';
  /** Whether it has come into the record; what ends before is an earlier update, whose end is noted. */
  #isBegun = false;

  constructor(module: UpdateModule, options: LocalUpdateOptions) {
    this.#options = options;
    this.module = { ...module, installer: this.#leftAtRestart(module.installer) };
    this.device = this.#deviceOf();
    this.#upgrade = new Promise((resolve) => {
      this.#offer = resolve;
    });
    this.#outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
    this.#outcome.catch(() => {});
  }

  /** Resolves when the image is what the next start takes, and the restart has been asked for. */
  async run(agent: UpdateAgent, upgrade: Upgrade): Promise<Installed> {
    const { signal } = this.#options;
    throwIfAborted(signal);
    this.#agent = agent;
    const before = this.#entry();
    this.#isBegun = before !== undefined && !hasEnded(before);
    const stop = (): void => this.fail(signal.reason);
    signal.addEventListener('abort', stop);
    agent.on('state', (entry) => this.#follow(entry));
    agent.on('error', (error) => this.#hear(error));
    agent.on('consent', ({ accept }) => {
      if (this.#options.accepts) accept();
    });
    this.#watch(upgrade);
    this.#offer(upgrade);
    const running = agent.run({ signal: this.#ending.signal });
    running.catch((error: unknown) => this.fail(error));
    try {
      return await this.#outcome;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#ending.abort();
      await running.catch(() => {});
    }
  }

  /** It has come to nothing. */
  fail(error: unknown): void {
    this.#reject(error);
  }

  #failWith(reason: string): void {
    this.fail(this.#last ?? new CommandError('ERR_INSTALL_FAILED', reason));
  }

  // The agent calls reject() where a rule refuses the version, and fail() where a hook or a user does.
  #watch(upgrade: Upgrade): void {
    const { line } = this.#options;
    Object.defineProperties(upgrade, {
      reject: {
        value: async (reason = '') => this.fail(new CommandError('ERR_VERSION_REFUSED', reason)),
      },
      fail: { value: async (reason = '') => this.#failWith(reason) },
    });
    upgrade.on('state', (state) => {
      if (state.phase === 'failed' && !this.#isInstalling()) this.fail(state.error);
    });
    const show = async (): Promise<void> => {
      for await (const { received, size } of upgrade.progress()) {
        line.bar('reading', received / size);
      }
    };
    show().catch(() => {});
  }

  #isInstalling(): boolean {
    return this.#entry()?.phase === 'installing';
  }

  #entry(): UpdateEntry | undefined {
    return this.#agent?.entry(this.module.module);
  }

  #follow(entry: UpdateEntry): void {
    const { version, from, phase, slotTo, reason } = entry;
    this.#isBegun ||= !hasEnded(entry);
    if (!this.#isBegun) return;
    const name = entry.module === '' ? 'default' : entry.module;
    const way = from === '' ? version : `${from} -> ${version}`;
    const later =
      phase === 'downloaded' ? ', and is installed as soon as the policy allows it' : '';
    const where = slotTo === '' ? later : ` in ${slotTo}`;
    this.#sayOnce(`${name} ${way}: ${phase}${where}`);
    if (!hasEnded(entry)) return;
    this.#failWith(reason);
  }

  /** Its counters change too. */
  #sayOnce(text: string): void {
    if (text !== this.#said) this.#options.say(text);
    this.#said = text;
  }

  #hear(error: unknown): void {
    if (error === unheard) return;
    this.#last = error;
    const { message } = Object(error) as { readonly message?: unknown };
    this.#options.say(String(message ?? error));
  }

  /** The installer, but that its restart ends this update. */
  #leftAtRestart(installer: Installer): Installer {
    const { kind, takes, takesFiles, activates, restarts, fallsBack } = installer;
    return {
      ...{ kind, takes, takesFiles, activates, restarts, fallsBack },
      base: async () => installer.base?.(),
      status: (options) => installer.status(options),
      install: (image, options) => installer.install(image, options),
      activate: (slot) => installer.activate(slot),
      markGood: () => installer.markGood(),
      markBad: (slot) => installer.markBad(slot),
      reboot: (options) => this.#restart(installer, options),
    };
  }

  async #restart(installer: Installer, options: RestartOptions | undefined): Promise<void> {
    const entry = this.#entry();
    const isBack = entry?.phase === 'trial';
    try {
      if (isBack || this.#options.restarts) await installer.reboot(options);
    } catch (error) {
      // Nobody waits here until it can: that is for the agent.
      if (isBack) this.fail(error);
      throw error;
    }
    if (isBack) this.fail(new CommandError('ERR_ROLLED_BACK', entry.reason));
    const { module = 'default' } = this.module;
    const { version = '', slotTo = '' } = entry ?? {};
    this.#settle({ module, version, slot: slotTo, restarts: this.#options.restarts });
    this.#ending.abort();
  }

  #deviceOf(): UpdateDevice {
    const offered = (): Promise<Upgrade> => this.#upgrade;
    const { signal } = this.#ending;
    async function* upgrades(): AsyncGenerator<Upgrade> {
      yield await offered();
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve());
      });
    }
    return {
      state: 'waiting',
      on: () => ({ off() {}, [Symbol.dispose]() {} }),
      ota: {
        upgrades: upgrades as unknown as UpdateDevice['ota']['upgrades'],
        check: offered,
        reportVersion: () => Promise.reject(unheard),
        reportProgress: async (step) => {
          if (step < 0) throw unheard;
          this.#options.line.bar('installing', step / 100);
        },
      },
    };
  }
}

function hasEnded({ phase }: UpdateEntry): boolean {
  return phase === 'failed' || phase === 'rolledBack' || phase === 'confirmed';
}
