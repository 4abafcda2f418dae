// The workflows run nowhere but where the repository is hosted: here, that what they run exists.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { Checkout } from './checkout';

const root = path.resolve(__dirname, '..', '..', '..');
const folder = path.join(root, '.github', 'workflows');
const { scripts } = jest.requireActual<{ scripts: Record<string, string> }>(
  '../../../package.json',
);

describe.each(readdirSync(folder))('%s', (name) => {
  const text = readFileSync(path.join(folder, name), 'utf8');

  test('runs scripts of package.json and files of the repository', () => {
    const runs = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, script = '']) => script);
    expect(runs.filter((script) => !(script in scripts))).toEqual([]);
    const files = [...text.matchAll(/\bnode (scripts\/[\w./-]+)|(\.ci\/run)/g)];
    const named = files.map(([, script, run]) => script ?? run ?? '');
    expect(named).toContain('.ci/run');
    expect(named.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
    expect(statSync(path.join(root, '.ci/run')).mode & 0o111).not.toBe(0);
  });

  test('may by itself only read, and uses actions of one owner', () => {
    expect(text).toMatch(/^permissions:\n {2}contents: read$/m);
    const actions = [...text.matchAll(/\buses: (\S+)/g)].map(([, action]) => action);
    expect(actions.filter((action) => !/^actions\/[\w-]+@v\d+$/.test(action ?? ''))).toEqual([]);
  });
});

test('a release is published with provenance and bills of materials, from the tarball that was tested', () => {
  const text = readFileSync(path.join(folder, 'release.yml'), 'utf8');
  const [build = '', publish = ''] = text.split('\n  publish:\n');
  expect(build).toContain('npm sbom');
  // npm runs prepublishOnly for a folder, and not for the tarball that is published here.
  expect(build).toMatch(/npm run prebuild\n.*prepack\.mjs --publish\n.*npm pack/s);
  expect(build).not.toContain('write');
  expect(publish).toContain('--provenance');
  expect(publish).toContain('id-token: write');
  expect(publish).not.toMatch(/checkout|npm (?:ci|install|run)/);
});

describe('the address of the repository', () => {
  const run = async (...args: string[]) => {
    using checkout = new Checkout({
      'package.json': '{ "name": "iotkit-ota", "version": "1.0.0" }',
    });
    const { code } = await checkout.run('release/address.mjs', args);
    return { code, manifest: JSON.parse(readFileSync(checkout.at('package.json'), 'utf8')) };
  };

  test('is written into the manifest', async () => {
    expect(await run('https://git.example/owner/iotkit-ota')).toEqual({
      code: 0,
      manifest: {
        name: 'iotkit-ota',
        version: '1.0.0',
        repository: { type: 'git', url: 'git+https://git.example/owner/iotkit-ota.git' },
        homepage: 'https://git.example/owner/iotkit-ota#readme',
        bugs: { url: 'https://git.example/owner/iotkit-ota/issues' },
      },
    });
  });

  test.each([[], ['git@git.example:owner/name'], ['https://git.example/owner/name.git']])(
    'has to be one: %j',
    async (...args) => {
      const { code, manifest } = await run(...args);
      expect([code, manifest.repository]).toEqual([2, undefined]);
    },
  );
});
