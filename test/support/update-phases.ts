/** Where an update of a running agent can be held, in each of its phases, so that something may happen meanwhile. */
import { abortable } from '../../lib/base/signals';
import type { UpdateAgent } from '../../lib/install/agent';
import type { UpdateAgentOptions } from '../../lib/install/agent-options';
import type { Installer } from '../../lib/install/installer';
import { changed, life, machine } from './running-agent';

/** What an update comes to, and stays at until it is opened. */
export class Hold {
  /** Resolves when it has come to it. */
  readonly reached: Promise<void>;
  readonly #opened: Promise<void>;
  #reach = (): void => {};
  #open = (): void => {};

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#reach = resolve;
    });
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  async wait(): Promise<true> {
    this.#reach();
    await this.#opened;
    return true;
  }

  open(): void {
    this.#open();
  }
}

type Prepare = (agent: UpdateAgent, hold: Hold) => void;

export interface UpdatePhase {
  readonly name: string;
  /** What it is updated to; one that ends with `sick` is not healthy. Default 2.0.0. */
  readonly version?: string;
  readonly takes?: Installer['takes'];
  /** How many starts of the machine come before it. */
  readonly starts?: number;
  /** Whether an agent that was closed has installed it before. */
  readonly isInstalled?: boolean;
  /** Whether the next start takes the new version, or already runs it. */
  readonly isActivated: boolean;
  /** Whether what it is held at ends by itself when the agent does. Else it has to come to its end. */
  readonly isEnded: boolean;
  /** The options of an agent that is held there. */
  options?(hold: Hold): Partial<UpdateAgentOptions>;
  /** Called when the agent is there and does not run yet. */
  readonly prepare?: Prepare;
}

const SICK = '2.0.0-sick';
const asked = ['beforeDownload', 'beforeInstall', 'beforeRestart'] as const;

/** Holds the first call of a method of the installer, before or after what it does. */
function held(
  name: 'install' | 'activate' | 'markGood' | 'markBad' | 'reboot',
  when: 'before' | 'after',
): (hold: Hold) => Partial<UpdateAgentOptions> {
  return (hold) => {
    const { installer } = machine;
    const method = async (...given: unknown[]): Promise<unknown> => {
      if (when === 'before') await hold.wait();
      const result = await (installer[name] as (...given: unknown[]) => unknown).apply(
        installer,
        given,
      );
      if (when === 'after') await hold.wait();
      return result;
    };
    return { installer: changed(installer, { [name]: method }) };
  };
}

/** Holds the sleeps of so many milliseconds. */
function sleeping(ms: number): Prepare {
  return (_agent, hold) => {
    life.clock.onSleep = (slept) => slept === ms && hold.wait();
  };
}

/** A method of the installer that fails once in a way that may pass. */
function failing(name: 'install' | 'reboot', error: Error): () => Partial<UpdateAgentOptions> {
  return () => {
    const { installer } = machine;
    let failures = 0;
    const method = (...given: unknown[]): unknown => {
      failures += 1;
      if (failures === 1) throw error;
      return (installer[name] as (...given: unknown[]) => unknown).apply(installer, given);
    };
    return { installer: changed(installer, { [name]: async (...it: unknown[]) => method(...it) }) };
  };
}

const before = { isActivated: false, isEnded: true } as const;
const trial = { starts: 1, isActivated: true, isEnded: true } as const;
const back = { ...trial, version: SICK } as const;

/** @param busy what an installer says that may be free later */
export function updatePhases(busy: Error): readonly UpdatePhase[] {
  return [
    ...asked.map((hook) => ({
      ...before,
      name: `the hook ${hook}`,
      options: (hold: Hold) => ({ hooks: { [hook]: () => hold.wait() } }),
    })),
    ...(['download', 'install'] as const).map((consent) => ({
      ...before,
      name: `consent to the ${consent}`,
      options: () => ({ policy: { consent } }),
      prepare: (agent: UpdateAgent, hold: Hold) => {
        agent.on('consent', ({ accept }) => void hold.wait().then(accept));
      },
    })),
    { ...before, name: 'the download', prepare: whileDownloading },
    { ...before, name: 'the download of a stream', takes: 'stream', prepare: whileDownloading },
    {
      ...before,
      name: 'the window',
      options: () => ({ policy: { window: windowLater() } }),
      prepare: sleeping(60_000),
    },
    {
      ...before,
      name: 'the lock',
      options: (hold) => ({ policy: { lock: { mayInstall: () => hold.wait() } } }),
    },
    {
      ...before,
      name: 'the lock, its next try',
      options: () => {
        let times = 0;
        const mayInstall = (): boolean => {
          times += 1;
          return times > 1;
        };
        return { policy: { lock: { mayInstall, retryMs: 7000 } } };
      },
      prepare: sleeping(7000),
    },
    {
      ...before,
      name: 'the installation, which heeds its signal',
      options: (hold) => {
        const { installer } = machine;
        const install: Installer['install'] = async (image, options) => {
          await abortable(hold.wait(), options?.signal);
          return installer.install(image, options);
        };
        return { installer: changed(installer, { install }) };
      },
    },
    { ...before, name: 'the installation', isEnded: false, options: held('install', 'before') },
    {
      ...before,
      name: 'the end of the installation',
      isEnded: false,
      options: held('install', 'after'),
    },
    {
      ...before,
      name: 'the end of the installation of a stream',
      takes: 'stream',
      isEnded: false,
      options: held('install', 'after'),
    },
    {
      ...before,
      name: 'the next try of an installer that is busy',
      options: failing('install', busy),
      prepare: sleeping(30_000),
    },
    {
      ...before,
      isInstalled: true,
      name: 'the lock, once more before the restart',
      options: (hold) => ({ policy: { lock: { mayInstall: () => hold.wait() } } }),
    },
    {
      ...before,
      isInstalled: true,
      name: 'the window, once more before the restart',
      options: () => ({ policy: { window: windowLater() } }),
      prepare: sleeping(60_000),
    },
    {
      ...before,
      isInstalled: true,
      name: 'the hook beforeRestart, once more',
      options: (hold) => ({ hooks: { beforeRestart: () => hold.wait() } }),
    },
    {
      ...before,
      isActivated: true,
      name: 'the activation',
      isEnded: false,
      options: held('activate', 'before'),
    },
    {
      ...before,
      isActivated: true,
      name: 'the end of the activation',
      isEnded: false,
      options: held('activate', 'after'),
    },
    {
      ...before,
      isActivated: true,
      name: 'the restart',
      isEnded: false,
      options: held('reboot', 'before'),
    },
    {
      ...before,
      isActivated: true,
      name: 'the next try of a restart that failed',
      options: failing('reboot', new Error('no bus')),
      prepare: sleeping(60_000),
    },
    { ...trial, name: 'the version in a trial', options: trialVersion },
    {
      ...trial,
      name: 'a check of the trial',
      options: (hold) => ({ health: { checks: [() => hold.wait()], holdMs: 10_000 } }),
    },
    { ...trial, name: 'the checks holding', prepare: sleeping(5000) },
    { ...trial, name: 'the confirmation', isEnded: false, options: held('markGood', 'before') },
    {
      ...trial,
      name: 'the end of the confirmation',
      isEnded: false,
      options: held('markGood', 'after'),
    },
    {
      ...trial,
      name: 'the hook afterConfirm',
      options: (hold) => ({ hooks: { afterConfirm: () => hold.wait() } }),
    },
    { ...trial, name: 'the report of the version, offline', prepare: offlineAt('confirmed') },
    { ...back, name: 'the roll back', isEnded: false, options: held('markBad', 'before') },
    {
      ...back,
      name: 'the end of the roll back',
      isEnded: false,
      options: held('markBad', 'after'),
    },
    {
      ...back,
      name: 'the restart of a roll back',
      isEnded: false,
      options: held('reboot', 'before'),
    },
    {
      ...back,
      starts: 2,
      name: 'the hook afterFailure',
      options: (hold) => ({ hooks: { afterFailure: () => hold.wait() } }),
    },
    {
      ...back,
      starts: 2,
      name: 'the report of a failure, offline',
      prepare: offlineAt('rolledBack'),
    },
  ];
}

function whileDownloading(_agent: UpdateAgent, hold: Hold): void {
  life.platform.device.on('upgrade', (upgrade) => {
    const subscription = upgrade.on('state', ({ phase }) => {
      if (phase !== 'downloading') return;
      subscription.off();
      upgrade.pause();
      void hold.wait().then(() => upgrade.resume());
    });
  });
}

function offlineAt(phase: 'confirmed' | 'rolledBack'): Prepare {
  return (agent, hold) => {
    agent.on('state', (entry) => {
      if (entry.phase !== phase || entry.reported) return;
      life.platform.disconnect();
      void hold.wait().then(() => life.platform.connect());
    });
  };
}

/** Where what runs finds its version, which is held when the new one runs. */
function trialVersion(hold: Hold): Partial<UpdateAgentOptions> {
  const version = async (): Promise<string> => {
    await hold.wait();
    return machine.running ?? '';
  };
  return { version };
}

/** Some hours after the clock's beginning. */
function windowLater() {
  const hour = (hours: number): string => {
    const time = new Date(Date.UTC(2026, 0, 1) + hours * 3_600_000);
    return `${String(time.getHours()).padStart(2, '0')}:00`;
  };
  return { from: hour(3), to: hour(4) };
}
