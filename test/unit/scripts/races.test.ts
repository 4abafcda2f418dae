import { Checkout } from './checkout';

// What ThreadSanitizer reports of the addon, and of the runtime around it.

const line = '==================\n';
const report = (...frames: string[]): string =>
  `${line}WARNING: ThreadSanitizer: data race (pid=1)\n${frames.map((frame) => `  ${frame}\n`).join('')}${line}`;

const runtime = report(
  '#0 pthread_rwlock_destroy <null> (libtsan.so+0x408b1)',
  '#1 uv_rwlock_destroy ../deps/uv/src/unix/thread.c:375 (node+0x18baee8)',
  'Thread T8 (tid=2, running) created by main thread at:',
);
const frame = report('#1 iotkit::Transfer::Enter() <null> (iotkit_ota.node+0xfe191)');
const thread = report(
  '#1 CRYPTO_THREAD_lock_free <null> (node+0x1be8d46)',
  "Thread T10 'iotkit-recv' (tid=3, finished) created by main thread at:",
);

async function judge(files: Readonly<Record<string, string>>) {
  const named = Object.entries(files).map(([name, text]) => [`reports/${name}`, text]);
  using checkout = new Checkout({ 'reports/of.0': '', ...Object.fromEntries(named) });
  return await checkout.run('torture/races.mjs', [checkout.at('reports')]);
}

test.each<[string, string, number, string]>([
  ['none', '', 0, '0 reports, 0 of them ours'],
  ['of the runtime alone', runtime, 0, '1 reports, 0 of them ours'],
  ['with a frame of ours', runtime + frame, 1, '2 reports, 1 of them ours'],
  ['with a thread of ours', thread, 1, '1 reports, 1 of them ours'],
])('reports %s', async (_, text, code, says) => {
  const ended = await judge({ 'of.1': text });
  expect(ended).toMatchObject({ code, output: expect.stringContaining(says) });
});

test('ours are printed whole, from whichever process', async () => {
  const { code, output } = await judge({ 'of.1': runtime, 'of.2': frame, 'of.3': thread });
  expect(code).toBe(1);
  expect(output).toContain('iotkit::Transfer::Enter()');
  expect(output).toContain("'iotkit-recv'");
  expect(output).not.toContain('uv_rwlock_destroy');
});
