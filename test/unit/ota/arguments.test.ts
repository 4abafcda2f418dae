import { checkDesc, checkModule, checkVersion } from '../../../lib/ota/arguments';
import { refusalOf } from '../support';

test('the default module goes by three names', () => {
  expect([checkModule(undefined), checkModule('default'), checkModule('MCU')]).toEqual([
    '',
    '',
    'MCU',
  ]);
});

test.each([
  [() => checkModule(''), 'module must be 1-64 letters'],
  [() => checkModule(null as never), 'module must be a string, got null'],
  [() => checkVersion('version', 'a b'), 'version must be 1-64 letters'],
  [() => checkDesc('desc', 'x'.repeat(1025)), 'desc must be 0-1024 characters'],
  [() => checkDesc('desc', 'ä'.repeat(513)), 'desc must be at most 1,024 bytes'],
])('refused: %#', (check, message) => {
  expect(refusalOf(check).message).toContain(message);
});

test('what is right is returned', () => {
  expect([checkVersion('version', '1.0-rc_1'), checkDesc('desc', '')]).toEqual(['1.0-rc_1', '']);
});
