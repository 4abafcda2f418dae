// What is wrong, in words: circles and arrows that go where the table does not allow.
import { circlesOf, shortestLoop } from './graph.mjs';

const HELP =
  'Turn one of these arrows around: let the lower unit take a function or data, or move what both need below both';

/** Every circle of the graph and every offence, as texts. */
export function describeAll(graph, offences) {
  return [
    ...circlesOf(graph).map((circle) => describeCircle(graph, circle)),
    ...offences.map(describeOffence),
  ];
}

const short = (unit) => unit.replace(/^\w+:/, '');

// The shortest loop of the circle, and all of its units where there are more.
function describeCircle(graph, circle) {
  const [loop] = circle
    .map((unit) => shortestLoop(graph, unit))
    .sort((a, b) => a.length - b.length);
  return [
    `circle: ${[...loop.map(({ from }) => short(from)), short(loop[0].from)].join(' → ')}`,
    ...loop.map((arrow) => `  ${describeArrow(arrow)}`),
    ...(circle.length > loop.length ? [`  all of it: ${circle.map(short).join(', ')}`] : []),
    `  No unit may reach itself. ${HELP}.`,
  ].join('\n');
}

const describeOffence = ({ arrow, what, help }) =>
  `${describeArrow(arrow)}: ${what}. Help: ${help}.`;

function describeArrow({ place, from, to, how, name, toFile }) {
  const target = to ? ` → ${short(to)}` : '';
  const origin = how === 'uses' ? ` of ${toFile.file}` : '';
  return `${place}: ${short(from)}${target} (${how} ${name}${origin})`;
}
