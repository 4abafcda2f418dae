import { inUnits, ProgressLine } from '../../../lib/cli/progress-line';

function terminal(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { written, isTTY, columns, write: (text: string) => written.push(text) };
}

test('one line, written over and taken away', () => {
  const it = terminal(true);
  const line = new ProgressLine(true, it);
  line.show('half of it');
  line.show('half of it');
  line.show('all');
  line.end();
  line.end();
  expect(it.written).toEqual(['\rhalf of it', '\rall       ', '\r   \r']);
});

test('a bar fits any terminal', () => {
  for (const columns of [1, 10, 40, 80, 500]) {
    const it = terminal(true, columns);
    const line = new ProgressLine(true, it);
    for (const fraction of [0, 0.5, 1]) line.bar('image.bin', fraction, '1.0 MiB/s');
    for (const text of it.written) expect(text.length).toBeLessThanOrEqual(Math.max(2, columns));
  }
  // A serial console says that it has 0 columns.
  for (const it of [terminal(true), terminal(true, 0)]) {
    new ProgressLine(true, it).bar('x', 0.5, '1 B/s');
    expect(it.written[0]).toMatch(/^\rx \[#{20}\.{20}\] {2}50 % 1 B\/s$/);
  }
});

test('nothing where nobody watches', () => {
  const pipe = terminal(false);
  const unwanted = terminal(true);
  for (const line of [new ProgressLine(true, pipe), new ProgressLine(false, unwanted)]) {
    line.bar('x', 0.5);
    line.end();
  }
  expect([...pipe.written, ...unwanted.written]).toEqual([]);
});

test('bytes in the unit that fits', () => {
  expect([0, 1023, 1024, 1_500_000, 2 ** 40].map(inUnits)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.4 MiB',
    '1.0 TiB',
  ]);
});
