import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type AgentConfig, readConfig } from '../../lib/cli/agent/config';
import { examineConfig } from '../../lib/cli/agent/examine';
import { ConfigError } from '../../lib/cli/errors';

// Configurations of `iotkit-ota agent`, each in the folder of its test.

/** The folder of the test that runs. */
export let folder: string;

/** Gives each test of the file a folder. */
export function useFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'iotkit-agent-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
}

export const device = { productKey: 'a1', deviceName: 'lamp', region: 'cn-shanghai' };
export const slots = {
  kind: 'slots',
  slots: { A: '/a.img', B: '/b.img' },
  environment: { loader: 'grub', file: '/grubenv' },
  booted: 'A',
};

/** Writes a configuration: text, or what becomes JSON. */
export function write(config: unknown, mode = 0o644, name = 'agent.json'): string {
  const file = path.join(folder, name);
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  chmodSync(file, mode);
  return file;
}

/** What is said of a configuration that is refused. */
export function refusal(file: string): string {
  try {
    // What its files hold is read when it is asked for.
    readConfig(file, (config) => void config.device);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

/** Looks at all of it but the device's secret. */
export function examineAgent(config: AgentConfig): void {
  examineConfig({ ...config, device: { ...config.device, deviceSecret: 'x' } as never });
}
