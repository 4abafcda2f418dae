// What `npm start` and `npm test` begin with: builds what is missing, and only that.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Checkout } from './checkout';

const header = 'deps/iotkit/include/iotkit_errors.h';
const product = 'lib/generated/error-codes.ts';
const lock = '.cache/prepare.lock';
const table = (sentence: string) =>
  `#define IOTKIT_ERROR_MAP(X) \\\n  X(A, -1, 0, "${sentence}")\n`;

function newCheckout(): Checkout {
  const checkout = new Checkout({ [header]: table('first') });
  checkout.copy('package.json');
  checkout.copy('package-lock.json');
  checkout.linkNodeModules();
  return checkout;
}

// The number a file gets when it is written anew.
const writtenAt = (checkout: Checkout) => statSync(checkout.at(product), { bigint: true }).mtimeNs;

test('builds once, and again only when an input changed or a product is gone', async () => {
  using checkout = newCheckout();
  expect(await checkout.run('prepare.mjs', ['generate'])).toEqual({ code: 0, output: '' });
  const first = writtenAt(checkout);

  await checkout.run('prepare.mjs', ['generate']);
  expect(writtenAt(checkout)).toBe(first);

  // Written anew with the same content, as a checkout does: nothing to do.
  checkout.write(header, table('first'));
  await checkout.run('prepare.mjs', ['generate']);
  expect(writtenAt(checkout)).toBe(first);

  checkout.write(header, table('second'));
  await checkout.run('prepare.mjs', ['generate']);
  expect(readFileSync(checkout.at(product), 'utf8')).toContain('second');

  rmSync(checkout.at(product));
  await checkout.run('prepare.mjs', ['generate']);
  expect(existsSync(checkout.at(product))).toBe(true);
});

test('a step that failed is tried again and says why', async () => {
  using checkout = newCheckout();
  checkout.write(header, 'no table');
  for (let i = 0; i < 2; i++) {
    const { code, output } = await checkout.run('prepare.mjs', ['generate']);
    expect(code).toBe(1);
    expect(output).toContain(header);
  }
  expect(existsSync(checkout.at(lock))).toBe(false);
});

test('many at once do not disturb each other', async () => {
  using checkout = newCheckout();
  const runs = await Promise.all(
    Array.from({ length: 6 }, () => checkout.run('prepare.mjs', ['generate'])),
  );
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(readFileSync(checkout.at(product), 'utf8')).toContain('first');
  expect(readdirSync(checkout.at('.cache'))).toEqual(['stamps']);
});

test('waits for a build that runs, and goes on when it ends', async () => {
  using checkout = newCheckout();
  checkout.write(lock, String(process.pid));
  const onOutput = (output: string) => {
    if (output.includes(`process ${process.pid}`)) rmSync(checkout.at(lock), { force: true });
  };
  const { code, output } = await checkout.run('prepare.mjs', ['generate'], { onOutput });
  expect(output).toContain('waiting for another build');
  expect(code).toBe(0);
});

test('takes over the lock of a process that died', async () => {
  using checkout = newCheckout();
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  checkout.write(lock, String(pid));
  const { code, output } = await checkout.run('prepare.mjs', ['generate']);
  expect(output).toBe('');
  expect(code).toBe(0);
  expect(existsSync(checkout.at(lock))).toBe(false);
});

test('says which tools are missing for the addon', async () => {
  using checkout = newCheckout();
  for (const file of ['binding.gyp', 'sources.json']) checkout.copy(file);
  const { code, output } = await checkout.run('prepare.mjs', ['native'], {
    env: { PATH: checkout.at('empty'), CC: undefined, CXX: undefined },
  });
  expect(output).toMatch(/needs a C compiler, a C\+\+ compiler, make, python3/);
  expect(output).toContain('apt-get install build-essential python3');
  expect(code).toBe(1);
});

test('installs when a package is absent or of another version', async () => {
  using checkout = newCheckout();
  const npm = checkout.at('npm.js');
  writeFileSync(npm, 'console.log("npm", ...process.argv.slice(2));');
  const packages = JSON.parse(readFileSync(checkout.at('package-lock.json'), 'utf8'));
  packages.packages['node_modules/jest'].version = '0.0.1';
  checkout.write('package-lock.json', JSON.stringify(packages));
  const { code, output } = await checkout.run('prepare.mjs', ['generate'], {
    env: { npm_execpath: npm },
  });
  expect(output).toContain('npm ci');
  expect(output).toContain('npm left out node_modules/jest');
  expect(code).toBe(1);
});
