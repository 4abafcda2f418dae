import { isFinal, mayFollow } from '../../src/engine/task-states';
import type { TaskState } from '../../src/index';

const STATES: readonly TaskState[] = [
  'to-be-confirmed',
  'pending',
  'pushed',
  'upgrading',
  'succeeded',
  'failed',
  'cancelled',
];

test.each<[TaskState, TaskState[]]>([
  ['to-be-confirmed', ['pending', 'succeeded', 'cancelled']],
  ['pending', ['pushed', 'upgrading', 'succeeded', 'failed', 'cancelled']],
  ['pushed', ['upgrading', 'succeeded', 'failed', 'cancelled']],
  ['upgrading', ['succeeded', 'failed', 'cancelled']],
  ['succeeded', []],
  ['failed', []],
  ['cancelled', []],
])('%s may be followed by %j', (state, expected) => {
  expect(STATES.filter((next) => mayFollow(state, next))).toEqual(expected);
});

test('three states are final', () => {
  expect(STATES.filter(isFinal)).toEqual(['succeeded', 'failed', 'cancelled']);
});
