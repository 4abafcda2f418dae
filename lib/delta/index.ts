/**
 * This room makes the difference between two images and applies it: format.ts says what its bytes
 * are; apply.ts applies them as they arrive, with base-file.ts and patch-reader.ts on its two
 * sides; result-file.ts writes what that gives; make.ts makes them, with matches.ts over
 * suffix-array.ts. It may import base; it knows neither the platform nor an installer.
 * docs/delta.md has the figures.
 */
export { type ApplyDeltaOptions, applyDelta, type DeltaBase } from './apply';
export type { OpenFile, OpenFileRead, OpenFileStats } from './base-file';
export { type DeltaImage, type DeltaInfo, decodeHeader, HEADER_SIZE } from './format';
