import { createRequire } from 'node:module';
import path from 'node:path';
import type { Binding } from '../../lib/addon/binding';

const addon = path.join(__dirname, '../../build/Release/iotkit_ota.node');

/**
 * Whether downloads of this process that begin from now on digest on a second thread, which the
 * package decides by the number of processors.
 */
export function setDigestsBeside(beside: boolean): void {
  const binding: Binding = createRequire(addon)(addon);
  binding.setDigestsBeside(beside);
}
