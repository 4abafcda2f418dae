// scripts/build/declarations.mjs: what is packed of the declarations is what a program can see of them.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { runWell } from '../../support/process';

const root = path.resolve(__dirname, '..', '..', '..');
const script = pathToFileURL(path.join(root, 'scripts/build/declarations.mjs')).href;
const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-declarations-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): void {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const copy = (): Promise<string> =>
  runWell(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { copyDeclarations } from ${JSON.stringify(script)};
       copyDeclarations({ from: 'from', to: 'dist', entries: ['index', 'sdk/index'] });`,
    ],
    { cwd: folder },
  );

const packed = (): string[] =>
  readdirSync(path.join(folder, 'dist'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort();

test('the entries and all that they import are copied, and nothing else is left', async () => {
  write('from/index.d.ts', "export { a } from './base/a';\nexport type * from './types';\n");
  write('from/base/a.d.ts', "export declare const a: import('../room').B;\n");
  write('from/room/index.d.ts', "import '../types';\nexport interface B { }\n");
  write('from/types.d.ts', 'export type Node = string;\n');
  write('from/sdk/index.d.ts', "import type { B } from '../room';\nexport declare const b: B;\n");
  write('from/inner.d.ts', "import './types';\n");
  write('dist/old.d.ts', '');
  write('dist/inner.d.ts', '');
  write('dist/index.js', '');
  await copy();
  expect(packed()).toEqual([
    'base/a.d.ts',
    'index.d.ts',
    'room/index.d.ts',
    'sdk/index.d.ts',
    'types.d.ts',
  ]);
});

test('an import of what is not there is refused', async () => {
  write('from/types.d.ts', "import type { Gone } from './gone';\n");
  await expect(copy()).rejects.toThrow(/types\.d\.ts imports \.\/gone/);
});
