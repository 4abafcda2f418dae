/** Goals, from the rows of a section. */
import { goalsOf } from '../../../bench/goals';
import { rowsOf } from '../../../bench/ratios';
import { cost, section } from './section';

const goals = (more = {}) =>
  Object.fromEntries(goalsOf(rowsOf(section(more), 2)).map((goal) => [goal.id, goal.met]));

test('each goal is met or missed by its own figure', () => {
  expect(goals()).toEqual({
    'file-cpu': true,
    'file-wall': false,
    'file-alone': false,
    'file-loop': true,
    'file-memory': true,
    'chunks-cpu': false,
    'chunks-loop': false,
    'recycled-cpu': true,
    'recycled-loop': true,
  });
});

test('a figure at the goal meets it', () => {
  const costs = {
    node: [cost(1, 1)],
    alone: [cost(1, 1)],
    file: [cost(1, 1, { eventLoop: 0.02 })],
  };
  expect(goals({ costs })).toMatchObject({ 'file-alone': true, 'file-loop': true });
});

test('what was not measured has no goal, nor has a placement by hand', () => {
  expect(goals({ costs: { node: [cost(1, 1)] } })).toEqual({});
  expect(goalsOf(rowsOf(section(), 2), 'apart')).toEqual([]);
});
