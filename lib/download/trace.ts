/** What is told of a consumption on its tracing channel. */
import type { ImageIdentity } from './image-identity';
import type { SharedAs } from './state';
import type { CheckedTargets, TargetKind } from './targets';

/** As DownloadTrace (device/events.ts), which knows what an upgrade is besides its image. */
export interface ConsumptionTrace {
  readonly upgrade: ImageIdentity;
  readonly module: string | undefined;
  readonly version: string;
  readonly size: number;
  readonly targets: readonly TargetKind[];
  received?: number;
  resumed?: number;
  sharedAs?: SharedAs;
}

/** Of a consumption that begins; without targets it is one in chunks. */
export function traceOf(upgrade: ImageIdentity, targets?: CheckedTargets): ConsumptionTrace {
  const { module, version, size } = upgrade;
  const kinds = targets === undefined ? (['chunks'] as const) : kindsOf(upgrade, targets);
  return { upgrade, module, version, size, targets: kinds };
}

function kindsOf({ files }: ImageIdentity, { native, writer }: CheckedTargets): TargetKind[] {
  const file = files.length > 0 ? 'directory' : 'file';
  return [
    ...native.map(({ inPlace }) => (inPlace ? 'device' : file)),
    ...(writer === undefined ? [] : (['writer'] as const)),
  ];
}
