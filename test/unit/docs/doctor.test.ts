/** docs/doctor.md against what the command prints. */
import type { Place } from '../../../lib/cli/doctor/arguments';
import { usage } from '../../../lib/cli/doctor/arguments';
import { checkCertificate } from '../../../lib/cli/doctor/certificate';
import { runChecks } from '../../../lib/cli/doctor/checks';
import { checkConnection } from '../../../lib/cli/doctor/connection';
import type { Facts } from '../../../lib/cli/doctor/finding';
import { checkDns } from '../../../lib/cli/doctor/lookup';
import { codeOf, read } from './pages';

const page = read('docs/doctor.md');

/** The names of facts that the page has for each check, those of parts of a fact included. */
function documented(): Map<string, string[]> {
  const [, section = ''] = /^## Checks$(.*?)^## /ms.exec(page) ?? [];
  const rows = [...section.matchAll(/^\| `(\w+)` \|[^|]*\| (.*) \|$/gm)];
  return new Map(rows.map(([, id = '', facts = '']) => [id, codeOf(facts)]));
}

async function checks() {
  return runChecks({
    place: undefined,
    ca: undefined,
    target: process.cwd(),
    size: undefined,
    timeoutMs: 600_000,
    json: true,
    strict: false,
  });
}

test('the page has every check, in the order of the command', async () => {
  expect([...documented().keys()]).toEqual((await checks()).map(({ id }) => id));
});

test('the page has every fact', async () => {
  const root = { subject: '', to: new Date(), fingerprint256: '' };
  const dates = { from: new Date(), to: new Date() };
  const texts = { subject: '', issuer: '', names: '', fingerprint256: '', protocol: '' };
  const shown = { ...texts, ...dates, root, refused: undefined };
  const place = { host: 'a', port: 1, hasTls: true } as Place;
  const all: ReadonlyArray<{ readonly id: string; readonly facts: Facts }> = [
    ...(await checks()),
    { id: 'dns', ...checkDns('a', ['::1']) },
    { id: 'connection', ...checkConnection({ error: undefined, milliseconds: 1 }, place) },
    { id: 'certificate', ...checkCertificate(shown, new Date(), false) },
  ];
  const names = documented();
  for (const { id, facts } of all) {
    expect([id, names.get(id)]).toEqual([id, expect.arrayContaining(Object.keys(facts))]);
  }
});

test('the page has every option', () => {
  const options = [...usage.matchAll(/^ +--([\w-]+)/gm)].map(([, name]) => `--${name}`);
  const known = codeOf(page).map((code) => code.split(' ')[0]);
  expect(options.filter((name) => !known.includes(name) && name !== '--help')).toEqual([]);
});
