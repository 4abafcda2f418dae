import { writeFile } from 'node:fs/promises';
import { sizeOf } from '../../src/cli/files';
import { temporaryFolder } from '../support/start';

test('a file has a size; anything else is an error that names it', async () => {
  const folder = await temporaryFolder();
  await writeFile(`${folder}/a`, 'abc');
  expect(await sizeOf(`${folder}/a`)).toBe(3);
  for (const path of [folder, `${folder}/b`]) {
    await expect(sizeOf(path)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(path),
    });
  }
});
