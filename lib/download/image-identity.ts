/** What makes two announcements the same image for the same module. */
import type { UpgradeFile } from '../addon/results';

export interface ImageIdentity {
  readonly module: string | undefined;
  readonly version: string;
  readonly size: number;
  /** `''` with several files, each of which has its own. */
  readonly digest: string;
  readonly files: readonly Pick<UpgradeFile, 'name' | 'digest'>[];
  /** `''`: each file has its own, or without files, it comes in blocks over the device's connection. */
  readonly url?: string;
}

/** An image that is consumed. */
export interface ConsumedImage extends ImageIdentity {
  /** Whether it is a difference to the image that is installed. */
  readonly isDiff?: boolean;
  /** What the operator has attached, parsed. */
  readonly extData?: Readonly<Record<string, unknown>>;
}

/** One name of a module: the platform calls the device's own `default`, or leaves the name out. */
export function moduleKey(module: string | undefined): string {
  return module === undefined || module === 'default' ? '' : module;
}

export function isSameImage(a: ImageIdentity, b: ImageIdentity): boolean {
  return (
    moduleKey(a.module) === moduleKey(b.module) &&
    a.version === b.version &&
    a.size === b.size &&
    digestsOf(a) === digestsOf(b)
  );
}

function digestsOf({ digest, files }: ImageIdentity): string {
  return [digest, ...files.map((file) => `${file.name}:${file.digest}`)].join('/');
}
