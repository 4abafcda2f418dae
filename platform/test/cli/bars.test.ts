import { Writable } from 'node:stream';
import { countsOf, percentOf, UpgradeBars } from '../../src/cli/bars';
import type { TaskState, Upgrade } from '../../src/index';

function upgrade(...tasks: [TaskState, number?][]): Upgrade {
  return {
    id: '000001-abc',
    version: '2.0.0',
    tasks: tasks.map(([state, step]) => ({ state, step, history: [] })),
    settled: tasks.every(([state]) => state === 'succeeded'),
  } as unknown as Upgrade;
}

class Screen extends Writable {
  text = '';
  readonly columns = 120;
  readonly isTTY: boolean;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

function open(isTTY: boolean): [UpgradeBars, Screen] {
  const screen = new Screen(isTTY);
  return [new UpgradeBars(screen as unknown as NodeJS.WriteStream), screen];
}

test('the percentage is the mean of the devices', () => {
  expect(percentOf(upgrade(['upgrading', 50], ['pending'], ['succeeded']))).toBe(50);
  expect(percentOf(upgrade(['upgrading', -2], ['failed', -1]))).toBe(50);
  expect(percentOf(upgrade())).toBe(100);
  expect(countsOf(upgrade(['pushed'], ['failed'], ['pushed']).tasks)).toBe('pushed=2 failed=1');
});

test('on a terminal there is a bar, and lines stand above it', () => {
  const [bars, screen] = open(true);
  bars.log('before any bar');
  expect(screen.text).toBe('before any bar\n');
  bars.show(upgrade(['upgrading', 40]));
  bars.log('lamp connected');
  bars.close();
  expect(screen.text).toMatch(/lamp connected[\s\S]*000001-abc 2\.0\.0 \|.*\| 40 % {2}upgrading=1/);
});

test('the last bar that ends leaves the screen as it was', () => {
  const [bars, screen] = open(true);
  bars.show(upgrade(['upgrading', 40]));
  bars.show(upgrade(['succeeded', 100]));
  expect(screen.text).toMatch(/100 % {2}succeeded=1/);
  bars.log('after it');
  expect(screen.text).toMatch(/after it\n$/);
  const before = screen.text;
  bars.show(upgrade(['succeeded', 100]));
  expect(screen.text).toBe(before);
});

test('elsewhere there are lines, each once', () => {
  const [bars, screen] = open(false);
  bars.show(upgrade(['upgrading', 40]));
  bars.show(upgrade(['upgrading', 40]));
  bars.show(upgrade(['succeeded', 100]));
  bars.close();
  expect(screen.text).toBe(
    '000001-abc 2.0.0 40 % upgrading=1\n000001-abc 2.0.0 100 % succeeded=1\n',
  );
});
