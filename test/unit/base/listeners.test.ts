import { callBack, Listeners } from '../../../lib/base/listeners';

interface Events {
  readonly number: number;
  readonly text: string;
}

test('listeners of an event are called in their order, each until it is off', () => {
  const listeners = new Listeners<Events>();
  const heard: unknown[] = [];
  const first = listeners.add('number', (value) => heard.push(['first', value]));
  listeners.add('number', (value) => heard.push(['second', value]));
  listeners.add('text', (value) => heard.push(value));
  listeners.emit('number', 1);
  first.off();
  first.off();
  listeners.emit('number', 2);
  listeners.emit('text', 'x');
  expect(heard).toEqual([['first', 1], ['second', 1], ['second', 2], 'x']);
});

test('a subscription ends with its block; the same function may listen twice', () => {
  const listeners = new Listeners<Events>();
  const heard = jest.fn();
  listeners.add('number', heard);
  {
    using _ = listeners.add('number', heard);
    listeners.emit('number', 1);
  }
  listeners.emit('number', 2);
  expect(heard.mock.calls).toEqual([[1], [1], [2]]);
});

test('one that is ended while the event is emitted does not hear it', () => {
  const listeners = new Listeners<Events>();
  const late = jest.fn();
  listeners.add('number', () => off());
  const { off } = listeners.add('number', late);
  listeners.emit('number', 1);
  expect(late).not.toHaveBeenCalled();
});

test('one that is added while the event is emitted hears the next', () => {
  const listeners = new Listeners<Events>();
  const late = jest.fn();
  const { off } = listeners.add('number', () => {
    off();
    listeners.add('number', late);
  });
  listeners.emit('number', 1);
  listeners.emit('number', 2);
  expect(late.mock.calls).toEqual([[2]]);
});

test('what one throws is an uncaught exception, and the others are called', () => {
  const queued: (() => void)[] = [];
  const queue = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
    queued.push(task);
  });
  const listeners = new Listeners<Events>();
  const other = jest.fn();
  listeners.add('number', () => {
    throw new Error('mine');
  });
  listeners.add('number', other);
  listeners.emit('number', 1);
  queue.mockRestore();
  expect(other).toHaveBeenCalledWith(1);
  expect(queued).toHaveLength(1);
  expect(queued[0]).toThrow('mine');
  callBack(other, 2);
  expect(other).toHaveBeenLastCalledWith(2);
});
