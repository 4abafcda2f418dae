// What the stages of a download cost alone, by native/floor.c in a Node.js: with its libcrypto, on the
// same kernel, from the same server. Runs in a process of its own.
import path from 'node:path';
import type { Cost } from './measure';
import type { Method, Stage } from './section';
import { receiveWork, reply } from './work';

export interface FloorWork {
  readonly method: Method;
  readonly tls: boolean;
  readonly size: number;
  /** Of the server, over http. */
  readonly url: string;
  readonly target: string;
}

export type Floor = Partial<Record<Stage, Cost>>;

type Measured = [seconds: number, cpuSeconds: number];
type Measure = (stage: Stage, size: number, text: string, port: number) => Measured;

function measureAll({ method, tls, size, url, target }: FloorWork): Floor {
  const addon = path.resolve(__dirname, '../../../.cache/bench/floor.node');
  const { floor } = require(addon) as { readonly floor: Measure };
  const cost = (stage: Stage, text: string, port = 0): Cost => {
    const [seconds, cpuSeconds] = floor(stage, size, text, port);
    return { seconds, cpuSeconds };
  };
  const { port, pathname } = new URL(url);
  return {
    receive: cost('receive', pathname, Number(port)),
    ...(tls && { decrypt: cost('decrypt', '') }),
    digest: cost('digest', method),
    write: cost('write', target),
  };
}

if (require.main === module) void receiveWork<FloorWork>().then((work) => reply(measureAll(work)));
