import { Fifo } from '../../../lib/messaging/fifo';
import { randomFrom } from '../support';

test('is an array of which the first is taken, whatever happens to it', () => {
  const random = randomFrom(7);
  const fifo = new Fifo<number>();
  const expected: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    if (random(3) > 0) {
      fifo.push(i);
      expected.push(i);
    } else {
      expect(fifo.peek()).toBe(expected[0]);
      expect(fifo.shift()).toBe(expected.shift());
    }
    expect(fifo.length).toBe(expected.length);
  }
  expect(fifo.drain()).toEqual(expected);
  expect([fifo.length, fifo.peek(), fifo.shift()]).toEqual([0, undefined, undefined]);
});
