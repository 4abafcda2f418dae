import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../support/process';

// That it makes an addon that loads is shown by `npm run check:pack`, in an installed package.

const root = path.resolve(__dirname, '..', '..', '..');
const program = path.join(root, 'dist', 'cli', 'index.js');

async function build(env: NodeJS.ProcessEnv) {
  const ended = await run(process.execPath, [program, 'build', '--jobs', '2'], {
    env: { ...process.env, ...env },
  });
  const left = (await readdir(path.join(root, 'build'))).filter((name) => /objects/.test(name));
  return { ...ended, left };
}

test('without a compiler it says what is needed, and leaves nothing', async () => {
  const ended = await build({ CC: '/nowhere/cc', CXX: '/nowhere/c++' });
  expect(ended).toMatchObject({ code: 1, left: [] });
  expect(ended.stderr).toMatch(
    /^iotkit-ota build: there is no \/nowhere\/cc here\..*apk add gcc g\+\+/s,
  );
});

test('what a compiler says is passed on, and nothing is left', async () => {
  const ended = await build({ CFLAGS: '-include no-such-header.h' });
  expect(ended).toMatchObject({ code: 1, left: [] });
  expect(ended.stderr).toContain('no-such-header.h: No such file');
});
