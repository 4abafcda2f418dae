import { parseArgs } from 'node:util';
import { hasCurl } from './peer-curl';
import type { Method, Peer, Placement, Protocol } from './section';

export interface BenchOptions {
  readonly size: number;
  readonly runs: number;
  readonly json: string | undefined;
  readonly protocols: readonly Protocol[];
  readonly methods: readonly Method[];
  readonly peers: readonly Peer[];
  readonly placements: readonly Placement[];
  /** Writes docs/performance.md, its plots and the reference. */
  readonly write: boolean;
  /** Figures of an earlier run, instead of a run. */
  readonly from: string | undefined;
}

const all: readonly Peer[] = [
  'node',
  'undici',
  ...(hasCurl ? (['curl'] as const) : []),
  'alone',
  'alone-fetch',
  'file',
  'file-other',
  'chunks',
  'recycled',
];

export const help = `Measures downloads against their floor and against what users do today; prints ratios of medians,
and what has moved since bench/reference.json. Exit code 1: a ratio is half as good as there.

  npm run bench -- [options]

  --quick            256 MiB, 3 runs, fewer peers, nothing pinned; instead of 1 GiB and 5 runs
  --size MIB         size of the image
  --runs N           alternating runs of each peer
  --protocol NAME    only http or https
  --digest NAME      only md5 or sha256
  --peers NAME,…     only ${all.join(', ')}
  --json FILE        write all figures to this file, instead of .cache/bench/figures.json
  --write            write docs/performance.md, its plots and bench/reference.json
  --from FILE        with --write: from these figures, without a run
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
      peers: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      from: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    size: count('size', values.size, values.quick ? 256 : 1024) * 2 ** 20,
    runs: count('runs', values.runs, values.quick ? 3 : 5),
    json: values.json,
    write: values.write,
    from: values.from,
    placements: values.quick ? ['free'] : ['free', 'apart', 'together'],
    protocols: only('protocol', values.protocol, ['http', 'https']),
    methods: only('digest', values.digest, ['md5', 'sha256']),
    peers: values.peers
      ? values.peers.split(',').flatMap((name) => only('peers', name, all))
      : values.quick
        ? all.filter((peer) => !['undici', 'alone-fetch', 'file-other', 'chunks'].includes(peer))
        : all,
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
  known: readonly Name[],
): readonly Name[] {
  if (value === undefined) return known;
  const chosen = known.filter((name) => name === value);
  if (chosen.length === 0) throw new RangeError(`--${option} must be ${known.join(' or ')}`);
  return chosen;
}
