import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { main } from '../../../lib/cli/delta';
import { deltaOf } from '../../support/delta';

test('a signal ends what reads a delta, too', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-delta-'));
  const file = path.join(folder, 'delta');
  writeFileSync(file, await deltaOf(Buffer.from('old'), Buffer.from('new')));
  const written: string[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    const ended = main(['info', file, '--json']);
    process.emit('SIGINT', 'SIGINT');
    expect(await ended).toBe(130);
  } finally {
    write.mockRestore();
    rmSync(folder, { recursive: true });
  }
  expect(JSON.parse(written.join(''))).toMatchObject({ ok: false, error: { code: 'ERR_ABORTED' } });
});
