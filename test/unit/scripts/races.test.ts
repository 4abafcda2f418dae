import { Checkout } from './checkout';

// What ThreadSanitizer reports of the addon, and of the runtime around it.

const line = '==================\n';
const sanitizer =
  '    #0 pthread_mutex_destroy ../tsan_interceptors_posix.cpp:1312 (libtsan.so.2+0x408b1)';
const library = '    #1 std::string::append(char const*) <null> (libstdc++.so.6+0x12)';
const runtime = '    #1 uv_rwlock_destroy ../deps/uv/src/unix/thread.c:375 (node+0x18baee8)';
const addon = '    #1 iotkit::Transfer::Enter() <null> (iotkit_ota.node+0xfe191)';
const deeper = '    #2 stream_open <null> (iotkit_ota.node+0x11bfc4)';

const report = (...lines: string[]): string =>
  [line, 'WARNING: ThreadSanitizer: data race (pid=1)', ...lines, '', line]
    .join('\n')
    .replace('\n\n', '\n');
const access = (first: string[], second: string[], origin: string[] = []): string =>
  report(
    '  Write of size 1 at 0x7b by thread T8:',
    ...first,
    '',
    '  Previous read of size 1 at 0x7b by main thread:',
    ...second,
    '',
    "  Thread T8 'iotkit-recv' (tid=3, finished) created by main thread at:",
    ...origin,
  );

const foreign = access([sanitizer, runtime], [runtime, deeper], [addon]);

async function judge(files: Readonly<Record<string, string>>) {
  const named = Object.entries(files).map(([name, text]) => [`reports/${name}`, text]);
  using checkout = new Checkout({ 'reports/of.0': '', ...Object.fromEntries(named) });
  return await checkout.run('torture/races.mjs', [checkout.at('reports')]);
}

test.each<[string, string, number, string]>([
  ['none', '', 0, '0 reports, 0 of them ours'],
  ['of the runtime, called by us', foreign, 0, '1 reports, 0 of them ours'],
  ['with an access of ours', foreign + access([addon], [runtime]), 1, '2 reports, 1 of them ours'],
  [
    'with an earlier access of ours',
    access([runtime], [sanitizer, addon]),
    1,
    '1 reports, 1 of them ours',
  ],
  [
    'with an access by a library for us',
    access([runtime], [sanitizer, library, addon]),
    1,
    '1 reports, 1 of them ours',
  ],
  ['of what we did to a lock', report(sanitizer, addon), 1, '1 reports, 1 of them ours'],
  [
    'of what the runtime did to a lock',
    report(sanitizer, runtime, deeper),
    0,
    '1 reports, 0 of them ours',
  ],
])('reports %s', async (_, text, code, says) => {
  const ended = await judge({ 'of.1': text });
  expect(ended).toMatchObject({ code, output: expect.stringContaining(says) });
});

test('ours are printed whole, from whichever process', async () => {
  const { code, output } = await judge({
    'of.1': foreign,
    'of.2': access([addon], [runtime]),
    'of.3': report(sanitizer, addon.replace('Transfer', 'Mailbox')),
  });
  expect(code).toBe(1);
  expect(output).toContain('iotkit::Transfer::Enter()');
  expect(output).toContain('iotkit::Mailbox::Enter()');
  expect(output).not.toContain('stream_open');
});
