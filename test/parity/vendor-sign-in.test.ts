import { readFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../support/process';
import { buildConstants, buildDriver } from './support/build';
import { CLibrary } from './support/c-library';
import { type Cell, report } from './support/differences';

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(path.join(__dirname, 'vectors', name), 'utf8')) as T;

let driver: CLibrary;

beforeEach(async () => {
  driver = new CLibrary(await buildDriver());
});

afterEach(() => driver.close());

interface SignIn {
  readonly name: string;
  readonly cmd: string;
  readonly ret?: number | string;
  readonly v?: number;
  readonly port?: number;
  readonly host?: string;
  readonly client_id?: string;
  readonly username?: string;
  readonly password?: string;
  readonly crashed?: boolean;
}

const optionOfTls = 1000;
const optionOfSignMethod = 1001;
const hmacSha1 = 1;

const given = (text: string | undefined): string | null =>
  text === undefined || text === 'NULL' ? null : text === '-empty-' ? '' : text;

test('sign-in is the recorded one, byte for byte, or differs on purpose', async () => {
  // As the recorded build: plain TCP, HMAC-SHA1.
  await driver.call('IOT_Ioctl', [optionOfTls, 0]);
  await driver.call('IOT_Ioctl', [optionOfSignMethod, hmacSha1]);
  const cells: Cell[] = [];
  for (const record of read<SignIn[]>('sign-2.3.0.json')) {
    const [command, ...rest] = record.cmd.split(' ');
    const where = `${record.name}: ${command}`;
    const before = driver.events.length;
    if (command === 'ioctlint' || command === 'ioctlstr') {
      const number = Number(rest[1]);
      const { ret } = await (command === 'ioctlint'
        ? driver.call('IOT_Ioctl', [Number(rest[0]), number])
        : driver.call('IOT_Ioctl(text)', [Number(rest[0]), rest[1] ?? '']));
      cells.push({ where, vendor: String(record.ret), ours: String(ret) });
    } else if (command === 'setup') {
      const names = rest.slice(0, 3).map(given);
      const { ret } = await driver.call('IOT_SetupConnInfo', [
        ...names,
        rest[3] === 'noinfo' ? 0 : 1,
      ]);
      const made = driver.events[before]?.setup;
      const vendor =
        record.client_id === undefined
          ? ''
          : ` ${record.port} ${record.host} ${record.client_id} ${record.username} ${record.password} NULL`;
      cells.push({
        where,
        vendor: record.crashed ? 'crash' : `${record.ret}${vendor}`,
        ours: `${ret}${made === undefined ? '' : ` ${made}`}`,
      });
    }
  }
  report('sign-in', cells, [
    { where: /region_5: setup/, ours: /-1/, anchor: 'region' },
    { where: /region_6: (ioctlint|setup)/, ours: /-1/, anchor: 'region' },
    { where: /setup_long_(pk21|dn33): setup/, ours: /-1/, anchor: 'setup-checks' },
    { where: /setup_ds_null: setup/, ours: /-1/, anchor: 'setup-checks' },
  ]);
});

test('every published constant has its value of 2.3.0', async () => {
  const groups = read<Record<string, Record<string, number>>>('constants-2.3.0.json');
  const { sizeof, ...values } = groups;
  const constants = Object.assign({}, ...Object.values(values)) as Record<string, number>;
  const sizes = Object.keys(sizeof ?? {}).map((type) => `sizeof(${type})`);
  const names = [...Object.keys(constants), ...sizes];
  const { stdout } = await run(await buildConstants(names), []);
  const ours = JSON.parse(stdout) as Record<string, number>;
  const vendor: Record<string, number> = { ...constants };
  for (const [type, size] of Object.entries(sizeof ?? {})) vendor[`sizeof(${type})`] = size;
  report(
    'constants',
    names.map((where) => ({ where, vendor: String(vendor[where]), ours: String(ours[where]) })),
    [],
  );
});
