import { StateProblems } from '../../src/base/problems';

test('each problem is kept and reported once', () => {
  const problems = new StateProblems();
  const heard: string[] = [];
  problems.onReport(({ name, reason }) => heard.push(`${name}: ${reason}`));
  problems.report({ what: 'record', name: 'device/a', reason: 'one' });
  problems.report({ what: 'record', name: 'device/a', reason: 'again' });
  problems.report({ what: 'image', name: 'device/a', reason: 'two' });
  expect(heard).toEqual(['device/a: one', 'device/a: two']);
  expect(problems.list).toHaveLength(2);
});
