import { parseArgs } from 'node:util';
import { hasCurl } from './peer-curl';
import type { Method, Peer, Protocol } from './report';

export interface BenchOptions {
  readonly size: number;
  readonly runs: number;
  readonly json: string | undefined;
  readonly protocols: readonly Protocol[];
  readonly methods: readonly Method[];
  readonly peers: readonly Peer[];
}

export const help = `Measures downloads against what users do today; prints ratios of medians.

  npm run bench -- [options]

  --quick            256 MiB and 3 runs, instead of 1 GiB and 5
  --size MIB         size of the image
  --runs N           alternating runs of each peer
  --protocol NAME    only http or https
  --digest NAME      only md5 or sha256
  --json FILE        write all figures to a file, too
`;

/** Undefined when only help was asked for; throws on an option that is not known. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      size: { type: 'string' },
      runs: { type: 'string' },
      protocol: { type: 'string' },
      digest: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    size: count('size', values.size, values.quick ? 256 : 1024) * 2 ** 20,
    runs: count('runs', values.runs, values.quick ? 3 : 5),
    json: values.json,
    protocols: only('protocol', values.protocol, ['http', 'https']),
    methods: only('digest', values.digest, ['md5', 'sha256']),
    peers: ['node', ...(hasCurl ? (['curl'] as const) : []), 'file', 'chunks', 'recycled'],
  };
}

function count(name: string, text: string | undefined, byDefault: number): number {
  const value = text === undefined ? byDefault : Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name} must be 1 or more`);
  return value;
}

function only<Name extends string>(
  option: string,
  value: string | undefined,
  all: readonly Name[],
): readonly Name[] {
  if (value === undefined) return all;
  const chosen = all.filter((name) => name === value);
  if (chosen.length === 0) throw new RangeError(`--${option} must be ${all.join(' or ')}`);
  return chosen;
}
