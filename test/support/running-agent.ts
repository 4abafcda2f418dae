/** An update agent that runs on a simulated machine, for the tests of one file. */
import type { UpdateAgent } from '../../lib/install/agent';
import type { UpdateAgentOptions } from '../../lib/install/agent-options';
import type { Installer } from '../../lib/install/installer';
import type { UpdateEntry } from '../../lib/install/record';
import { SimulatedMachine } from './simulated-machine';
import { Life, type Task } from './updated-device';

export let machine: SimulatedMachine;
export let life: Life;

/** Gives each test of the file a machine of its own. */
export function useMachine(): void {
  beforeEach(() => {
    machine = new SimulatedMachine('file');
  });
  afterEach(async () => {
    await life?.close();
    await machine.close();
  });
}

export const task = (version = '2.0.0'): Task => ({ version, state: 'open', reason: '' });

/** Starts the machine; its agent is then opened in `life`. */
export async function begin(open: Task): Promise<void> {
  await life?.close();
  life = new Life(machine, open);
}

export const isReported = ({ reported }: UpdateEntry): boolean => reported;

/** Starts the machine with an agent that runs. */
export async function start(
  open: Task,
  options: Partial<UpdateAgentOptions> = {},
): Promise<UpdateAgent> {
  await begin(open);
  const agent = await life.open(options);
  void agent.run();
  return agent;
}

/** Resolves with the entry when it has come so far. */
export function reached(
  agent: UpdateAgent,
  isIt: (entry: UpdateEntry) => boolean,
): Promise<UpdateEntry> {
  return new Promise((resolve) => agent.on('state', (entry) => isIt(entry) && resolve(entry)));
}

/** Starts again and again until the end of the update was reported. */
export async function untilReported(open: Task, options: Partial<UpdateAgentOptions> = {}) {
  for (let starts = 0; starts < 10; starts += 1) {
    const agent = await start(open, options);
    const entry = await Promise.race([reached(agent, isReported), life.power.cut]);
    if (entry !== undefined) return entry;
  }
  throw new Error('no end');
}

/** An installer with other methods in place of its own. */
export function changed(installer: Installer, methods: Partial<Installer>): Installer {
  return new Proxy(installer, {
    get: (own, name) => {
      const value = { ...methods }[name as keyof Installer] ?? own[name as keyof Installer];
      return typeof value === 'function' ? value.bind(own) : value;
    },
  });
}

/** The time of day, so many hours after the clock's beginning. */
export function at(hours: number): string {
  const time = new Date(Date.UTC(2026, 0, 1) + hours * 3_600_000);
  return `${String(time.getHours()).padStart(2, '0')}:00`;
}

/** That of a module whose restart the machine and the agent outlive, in the same life of it. */
export function restartedAlone({ machine }: { readonly machine: SimulatedMachine }): Installer {
  const { installer, power } = machine;
  const reboot = async (): Promise<void> => {
    await power.step('reboot: service');
    machine.boot();
    await power.alive();
  };
  return changed(installer, { restarts: 'service', reboot });
}

/** An installer whose restart is that of a service, which the agent outlives. */
export function serviceOf(machine: SimulatedMachine) {
  const { installer } = machine;
  return {
    kind: 'service',
    takes: installer.takes,
    activates: false,
    fallsBack: false,
    status: () => machine.installer.status(),
    install: (...given: Parameters<typeof installer.install>) =>
      machine.installer.install(...given),
    activate: (slot: string) => machine.installer.activate(slot),
    markGood: () => machine.installer.markGood(),
    markBad: (slot: string) => machine.installer.markBad(slot),
    reboot: () => machine.restart(),
  };
}
