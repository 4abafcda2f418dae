/** Sections for the tests here. */
import type { Cost } from '../../../bench/measure';
import type { Section } from '../../../bench/section';

export const GIB = 2 ** 30;

export const cost = (seconds: number, cpuSeconds: number, more: Partial<Cost> = {}): Cost => ({
  seconds,
  cpuSeconds,
  ...more,
});

/** One GiB over https with SHA-256, on a machine where the floor into a file is 1.9 CPU seconds. */
export function section(more: Partial<Section> = {}): Section {
  return {
    protocol: 'https',
    method: 'sha256',
    placement: 'free',
    size: GIB,
    floor: {
      receive: [cost(0.5, 0.4)],
      decrypt: [cost(0.3, 0.3)],
      digest: [cost(1, 0.9), cost(9, 1), cost(1, 1.1)],
      write: [cost(0.2, 0.2)],
    },
    costs: {
      node: [cost(8, 6)],
      alone: [cost(2, 2), cost(2, 2)],
      file: [
        cost(2, 2.1, { serverCpuSeconds: 0.7, eventLoop: 0.01, rssOverIdle: 2 ** 20 }),
        cost(4, 1.9, { serverCpuSeconds: 0.9, eventLoop: 0.03, rssOverIdle: 2 ** 20 }),
      ],
      chunks: [cost(1.6, 2.2, { serverCpuSeconds: 0.7, eventLoop: 0.06 })],
      recycled: [cost(1.6, 1.7, { serverCpuSeconds: 0.7, eventLoop: 0.04 })],
    },
    ...more,
  };
}
