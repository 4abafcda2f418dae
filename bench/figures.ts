import type { Loading } from './loading';
import type { Section } from './section';

/** All that one run of the bench has found, as it is kept in a file. */
export interface Figures {
  /** ISO 8601. */
  readonly date: string;
  readonly node: string;
  readonly openssl: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  /** Of the machine, before and after. */
  readonly load: readonly [before: number, after: number];
  readonly server: string;
  readonly loading: Loading;
  readonly sections: readonly Section[];
}

/** What a person has written down, by hand: `notes.json`. */
export interface Notes {
  /** Why a goal is missed, by its id. */
  readonly reasons: Readonly<Record<string, string>>;
  /** Changes made for speed, the newest last. */
  readonly history: readonly {
    readonly what: string;
    /** What a profile, or the counted system calls, showed. */
    readonly before: string;
    readonly after: string;
    /** Of after and before. */
    readonly ratio: string;
    readonly kept: boolean;
  }[];
}
