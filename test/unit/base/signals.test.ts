import { getEventListeners } from 'node:events';
import { abortable, abortReason, throwIfAborted, whenAborted } from '../../../lib/base/signals';

describe('whenAborted', () => {
  test('calls once, when it aborts', () => {
    const abort = new AbortController();
    const onAbort = jest.fn();
    whenAborted(abort.signal, onAbort);
    expect(onAbort).not.toHaveBeenCalled();
    abort.abort();
    abort.signal.dispatchEvent(new Event('abort'));
    expect(onAbort).toHaveBeenCalledTimes(1);
  });

  test('calls immediately where it has aborted already', () => {
    const onAbort = jest.fn();
    whenAborted(AbortSignal.abort(), onAbort)();
    expect(onAbort).toHaveBeenCalledTimes(1);
  });

  test('does not call once the listener was removed, or without a signal', () => {
    const abort = new AbortController();
    const onAbort = jest.fn();
    whenAborted(abort.signal, onAbort)();
    whenAborted(undefined, onAbort)();
    abort.abort();
    expect(onAbort).not.toHaveBeenCalled();
  });
});

describe('abortable', () => {
  test('without a signal it is the promise itself', () => {
    const promise = Promise.resolve(1);
    expect(abortable(promise, undefined)).toBe(promise);
  });

  test('settles as the promise, and listens no longer', async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    const error = new Error('x');
    await expect(abortable(Promise.reject(error), signal)).rejects.toBe(error);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('rejects with the reason of a signal that comes first', async () => {
    const abort = new AbortController();
    const waiting = abortable(new Promise<never>(() => {}), abort.signal);
    abort.abort('enough');
    await expect(waiting).rejects.toBe('enough');
    await expect(abortable(Promise.resolve(1), abort.signal)).rejects.toBe('enough');
  });
});

describe('a signal that many wait for', () => {
  test('has one listener, however many wait', async () => {
    const abort = new AbortController();
    const onAbort = jest.fn();
    const stops = Array.from({ length: 1_000 }, () => whenAborted(abort.signal, onAbort));
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
    for (const stop of stops.slice(0, 500)) stop();
    abort.abort('enough');
    expect(onAbort.mock.calls).toEqual(Array.from({ length: 500 }, () => ['enough']));
  });

  test('is left without a listener when nobody waits any more, and may be waited for again', () => {
    const abort = new AbortController();
    const stops = [whenAborted(abort.signal, () => {}), whenAborted(abort.signal, () => {})];
    for (const stop of [...stops, ...stops]) stop();
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    const onAbort = jest.fn();
    whenAborted(abort.signal, onAbort);
    abort.abort();
    expect(onAbort).toHaveBeenCalledTimes(1);
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  });

  test('reaches them although another listener stops the event', () => {
    const abort = new AbortController();
    abort.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const onAbort = jest.fn();
    whenAborted(abort.signal, onAbort);
    abort.abort('enough');
    expect(onAbort).toHaveBeenCalledWith('enough');
  });

  test('one of them may stop another while it aborts', () => {
    const abort = new AbortController();
    const second = jest.fn();
    let stopSecond = (): void => {};
    whenAborted(abort.signal, () => stopSecond());
    stopSecond = whenAborted(abort.signal, second);
    abort.abort();
    expect(second).not.toHaveBeenCalled();
  });
});

test('the signal of a polyfill has no throwIfAborted(), and no reason', () => {
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    addEventListener: (_: string, listener: () => void) => listeners.add(listener),
    removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
  } as unknown as AbortSignal;
  throwIfAborted(signal);
  const onAbort = jest.fn();
  whenAborted(signal, onAbort);
  Object.assign(signal, { aborted: true });
  for (const listener of [...listeners]) listener();
  expect(onAbort).toHaveBeenCalledWith(expect.objectContaining({ name: 'AbortError' }));
  expect(listeners.size).toBe(0);
  expect(() => throwIfAborted(signal)).toThrow(expect.objectContaining({ name: 'AbortError' }));
  expect(abortReason(AbortSignal.abort(null))).toBeNull();
});
