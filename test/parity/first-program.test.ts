/** The program in deps/iotkit/README.md compiles: here, because this project has a C compiler. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const folder = path.join(__dirname, '../../deps/iotkit');

test('the first program compiles without a warning', () => {
  const page = fs.readFileSync(path.join(folder, 'README.md'), 'utf8');
  const [, program = ''] = /^```c\n(.*?)^```$/ms.exec(page) ?? [];
  expect(program).toContain('int main(');
  const flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', '-x', 'c'];
  const include = ['-I', path.join(folder, 'include')];
  execFileSync(process.env.CC ?? 'cc', [...flags, ...include, '-'], { input: program });
});
