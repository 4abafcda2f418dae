import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Platform, type PlatformOptions } from '../../src/index';
import { atEnd } from './clean-up';

/** A platform that is closed at the end of the test. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const platform = await Platform.start(options);
  atEnd(() => platform.close());
  return platform;
}

/** A folder that is removed at the end of the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'platform-test-'));
  atEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
