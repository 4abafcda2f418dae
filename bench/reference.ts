// Holds the ratios of a run to those of the committed reference. No I/O.
import type { Row } from './ratios';
import { rowName, type Section } from './section';

/** A kind of ratio, and whether more of it is better. */
const kinds = {
  'CPU ÷ floor': false,
  'share of the limit': true,
  'speed ÷ Node': true,
  'CPU ÷ Node': false,
  'speed ÷ C alone': true,
  'event loop': false,
} as const;
export type Kind = keyof typeof kinds;
export type Ratios = Partial<Record<Kind, number>>;

/** By row and peer, as `https sha256 file`. */
export type Reference = Readonly<Record<string, Ratios>>;

/** A ratio that is not what it was. */
export interface Move {
  /** As `https sha256 file`. */
  readonly where: string;
  readonly kind: Kind;
  readonly before: number;
  readonly now: number;
  /** Above 1: better. */
  readonly gain: number;
}

/** Ratios of one sitting scatter by this much. */
const SCATTER = 0.15;

/** Ratios that depend on a machine that does nothing else, and so never fail. */
const LOAD: readonly Kind[] = ['event loop', 'share of the limit'];

export function referenceOf(
  sections: readonly { readonly section: Section; readonly rows: readonly Row[] }[],
): Reference {
  const entries = sections
    .filter(({ section }) => section.placement === 'free')
    .flatMap(({ section, rows }) =>
      rows
        .filter(({ peer }) => peer === 'file' || peer === 'recycled')
        .map((row) => [`${rowName(section)} ${row.peer}`, ratiosOf(row)] as const),
    );
  return Object.fromEntries(entries);
}

function ratiosOf(row: Row): Ratios {
  const all: Record<Kind, number | undefined> = {
    'CPU ÷ floor': row.cpuOverFloor,
    'share of the limit': row.shareOfLimit,
    'speed ÷ Node': row.speedOver.node,
    'CPU ÷ Node': row.cpuOver.node,
    'speed ÷ C alone': row.peer === 'file' ? row.speedOver.alone : undefined,
    'event loop': row.eventLoop,
  };
  const known = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known.map(([kind, value]) => [kind, Number(value?.toPrecision(3))]));
}

/** What holds where other programs wanted the processors, too. */
export const cpuOnly = (reference: Reference): Reference =>
  Object.fromEntries(
    Object.entries(reference).map(([where, ratios]) => [
      where,
      Object.fromEntries(Object.entries(ratios).filter(([kind]) => kind.startsWith('CPU'))),
    ]),
  );

/** What has moved by more than ratios scatter, the worst first. */
export function movesOf(reference: Reference, now: Reference): Move[] {
  const moves = Object.entries(now).flatMap(([where, ratios]) =>
    (Object.keys(ratios) as Kind[]).flatMap((kind): Move[] => {
      const [before, after] = [reference[where]?.[kind], ratios[kind]];
      if (before === undefined || after === undefined) return [];
      return [
        { where, kind, before, now: after, gain: kinds[kind] ? after / before : before / after },
      ];
    }),
  );
  return moves
    .filter(({ gain }) => gain < 1 - SCATTER || gain > 1 / (1 - SCATTER))
    .sort((a, b) => a.gain - b.gain);
}

/** Whether it is half as good as it was, which no scatter explains. */
export const isHalved = ({ kind, gain }: Move): boolean => gain <= 0.5 && !LOAD.includes(kind);

export const moveLine = (move: Move): string =>
  `  ${isHalved(move) ? 'HALVED' : move.gain < 1 ? 'worse ' : 'better'} ${move.where}: ${move.kind} ` +
  `${move.now.toFixed(3)}, reference ${move.before.toFixed(3)}`;
