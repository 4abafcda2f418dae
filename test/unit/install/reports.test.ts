import { descOf } from '../../../lib/install/reports';
import { checkDesc } from '../../../lib/ota/arguments';

test('whatever a program has said can be reported', () => {
  expect(descOf('a\0b')).toBe('a\ufffdb');
  expect(checkDesc('desc', descOf(`it failed: ${'\0'.repeat(5000)} at last`))).toMatch(/ at last$/);
});
