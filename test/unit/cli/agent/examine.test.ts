import { readConfig } from '../../../../lib/cli/agent/config';
import { examineConfig } from '../../../../lib/cli/agent/examine';
import {
  device,
  examineAgent,
  folder,
  refusal,
  slots,
  useFolder,
  write,
} from '../../../support/config-file';

useFolder();

test('the line of a nested option in JSON is its own', () => {
  const text = `{
  "installer": { "kind": "directories", "root": "a", "restart": ["true"] },
  "device": { "productKey": "a1",
    "tls": { "caFile": "none" },
    "deviceName": "lamp"
  },
  "health": {
    "checks": [
      "connected",
      { "url": 7 }
    ] } }`;
  expect(refusal(write(text))).toMatch(/line 4: device\.tls\.caFile none cannot be read/);
  const second = text.replace('"none"', '"agent.json"').replace('"lamp"', '"lamp", "region": "x"');
  expect(() => readConfig(write(second), examineConfig)).toThrow(/deviceSecret must be/);
});

describe('the line is that of the module that is wrong', () => {
  const [right, wrong] = ['root = "a"', 'root = 5'];
  const module = (name: string, root: string, more = ''): string =>
    `[[modules]]\nmodule = "${name}"\n${more}[modules.installer]\nkind = "directories"\n${root}\nrestart = ["true"]\n`;
  const toml = (...modules: string[]): string =>
    write(`[device]\nproductKey = "a1"\n${modules.join('')}`, 0o600, 'agent.toml');

  test.each([
    [[module('a', wrong), module('b', right)], 'line 7: modules[0].installer.root must be'],
    [[module('a', right), module('b', wrong)], 'line 13: modules[1].installer.root must be'],
    [
      [module('a', right), module('b', 'rood = "x"')],
      'line 13: modules[1].installer has no option rood; its options are',
    ],
    [[module('a', right), module('B 2', right)], 'line 10: modules[1].module must be'],
    [
      [module('a', right), module('b', right, 'versionfile = "x"\n')],
      'line 11: modules[1] has no option versionfile; it has module, installer, version, ' +
        'versionFile, base; did you mean versionFile?',
    ],
  ])('in TOML: %#', (modules, reason) => {
    expect(refusal(toml(...modules))).toContain(`agent.toml: ${reason}`);
  });

  test('where its name alone stands nowhere, the first that is in it', () => {
    const text = `attempts = 0
device.productKey = "a1"
device.deviceName = "x"
device.deviceSecret = "s3cret"
[installer]
kind = "directories"
root = "a"
restart = ["true"]
`;
    const file = write(text, 0o600, 'agent.toml');
    expect(() => readConfig(file, examineConfig)).toThrow(/toml: line 2: device: exactly one of/);
  });

  test('in JSON', () => {
    const [good, bad] = [{ installer: slots }, { module: 'b', installer: { ...slots, booted: 5 } }];
    const text = JSON.stringify({ device, modules: [good, bad] }, undefined, 1);
    const line = text.split('\n').findIndex((it) => it.includes('"booted": 5')) + 1;
    expect(refusal(write(text))).toContain(`line ${line}: modules[1].installer.booted must be`);
  });

  test('an option of the device is not one of the same name elsewhere', () => {
    const text = `{"health": {"checks": [{"url": "http://127.0.0.1/"}]},
"installer": ${JSON.stringify(slots)},
"device": {"productKey": "a1", "deviceName": "x", "deviceSecret": "s3cret",
"url": 7}}`;
    expect(() => readConfig(write(text, 0o600), examineConfig)).toThrow(
      /line 4: device\.url must be/,
    );
  });

  test('a misspelt option is helped, at every depth', () => {
    const spelt = (more: object): string => write({ device, installer: slots, ...more });
    expect(refusal(spelt({ installers: 1 }))).toMatch(/no option installers; .* mean installer\?$/);
    const policy = { policy: { newerOnly: true, lock: { path: '/x', maxMS: 5 } } };
    expect(() => readConfig(spelt(policy), examineAgent)).toThrow(
      /line 1: policy\.lock has no option maxMS; .*; did you mean maxMs\?$/,
    );
    const window = { policy: { window: { form: '02:00', to: '03:00' } } };
    expect(() => readConfig(spelt(window), examineAgent)).toThrow(
      /policy\.window has no option form; .*; did you mean from\?$/,
    );
  });
});

test('of two modules at one place the line is that of the second', () => {
  const module = (name: string, root: string): string => `
[[modules]]
module = "${name}"
installer = { kind = "directories", root = "${root}", restart = ["true"] }`;
  const withRoot = (root: string): string => {
    const text = `record = "${folder}/record"
device = { productKey = "a1", deviceName = "x", deviceSecret = "s3cret", region = "cn-shanghai" }
${module('a', 'a')}${module('b', root)}
`;
    return write(text, 0o600, 'agent.toml');
  };
  expect(() => readConfig(withRoot('./c/../a/'), examineConfig)).toThrow(
    `line 9: modules[1].installer must not change ${folder}/a, as modules[0].installer does`,
  );
  expect(readConfig(withRoot('b'), examineConfig).agent.modules).toHaveLength(2);
});
