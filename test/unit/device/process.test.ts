// The real addon.
import { setBandwidthLimit, setMaxDownloads, stats, tlsSource } from '../../../lib/device/process';
import { refusalOf } from '../support';

test('stats are counts, of every kind', () => {
  const counts = stats();
  expect(Object.keys(counts).sort()).toEqual(
    ['environments', 'devices', 'jobs', 'transfers', 'waiting', 'threads', 'lent', 'holds'].sort(),
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThanOrEqual(0);
  expect(counts.environments).toBeGreaterThanOrEqual(1);
});

test('the number of downloads is 1 to 64', () => {
  setMaxDownloads(64);
  setMaxDownloads(2);
  for (const count of [0, 65, 1.5]) {
    expect(refusalOf(() => setMaxDownloads(count)).message).toMatch(/^count must be a whole/);
  }
});

test('a bandwidth limit is 1,024 and more, or undefined', () => {
  setBandwidthLimit(1024);
  setBandwidthLimit(undefined);
  expect(refusalOf(() => setBandwidthLimit(1023)).message).toMatch(/^bytesPerSecond must be/);
});

test('TLS comes from the process, a library or nowhere', () => {
  const source = tlsSource();
  if (source !== null) expect(source).toMatch(/^(process|libssl.*)$/);
});
