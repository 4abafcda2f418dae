import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../../../lib/cli/agent/config';
import { examineConfig } from '../../../../lib/cli/agent/examine';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-examine-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('of two modules at one place the line is that of the second', () => {
  const file = join(folder, 'agent.toml');
  const module = (name: string, root: string): string => `
[[modules]]
module = "${name}"
installer = { kind = "directories", root = "${root}", restart = ["true"] }`;
  const text = (root: string): string => `record = "${folder}/record"
device = { productKey = "a1", deviceName = "x", deviceSecret = "s3cret", region = "cn-shanghai" }
${module('a', 'a')}${module('b', root)}
`;
  writeFileSync(file, text('./c/../a/'), { mode: 0o600 });
  expect(() => readConfig(file, examineConfig)).toThrow(
    `${file}: line 9: modules[1].installer must not change ${folder}/a, as modules[0].installer does`,
  );
  writeFileSync(file, text('b'));
  expect(readConfig(file, examineConfig).agent.modules).toHaveLength(2);
});
