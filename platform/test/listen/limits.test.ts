import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Connections } from '../../src/listen/limits';

class PaperSocket extends EventEmitter {
  isDestroyed = false;
  readonly remoteAddress: string;
  readonly remotePort: number;

  constructor(remoteAddress: string, remotePort: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.emit('close');
  }
}

let connections: Connections;
let nextPort: number;

beforeEach(() => {
  connections = new Connections({ total: 3, perAddress: 2 });
  nextPort = 1;
});

function come(address: string): PaperSocket {
  const socket = new PaperSocket(address, nextPort++);
  connections.admit(socket as unknown as Socket);
  return socket;
}

function busy(socket: PaperSocket, isBusy = true): void {
  connections.setBusy(socket as unknown as Socket, isBusy);
}

test('at the cap of an address its own oldest idle connection makes room', () => {
  const other = come('b');
  const [first, second, third] = [come('a'), come('a'), come('a')];
  const ended = [other, first, second, third].map(({ isDestroyed }) => isDestroyed);
  expect(ended).toEqual([false, true, false, false]);
});

test('at the cap of all the oldest idle connection makes room, whosever it is', () => {
  const [a, b, c] = [come('a'), come('b'), come('c')];
  busy(a);
  const d = come('d');
  expect([a, b, c, d].map(({ isDestroyed }) => isDestroyed)).toEqual([false, true, false, false]);
  expect(connections.size).toBe(3);
});

test('where all are busy a new one is refused; one that is idle again counts as the newest', () => {
  const [a, b, c] = [come('a'), come('b'), come('c')];
  for (const each of [a, b, c]) busy(each);
  expect(come('d').isDestroyed).toBe(true);
  busy(b, false);
  busy(a, false);
  come('d');
  expect([a.isDestroyed, b.isDestroyed]).toEqual([false, true]);
});

test('what has ended is forgotten', () => {
  for (let i = 0; i < 10; i++) come('a').destroy();
  expect(connections.size).toBe(0);
  const [first, second] = [come('a'), come('a')];
  connections.closeAll();
  expect([first.isDestroyed, second.isDestroyed, connections.size]).toEqual([true, true, 0]);
});
