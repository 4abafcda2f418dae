// Arrows between units, and the circles they make.

/** Arrows { from, to, … } as a map: from → to → the first such arrow. */
export function graphOf(arrows) {
  const graph = new Map();
  for (const arrow of arrows) {
    if (arrow.from === arrow.to) continue;
    if (!graph.has(arrow.from)) graph.set(arrow.from, new Map());
    const targets = graph.get(arrow.from);
    if (!targets.has(arrow.to)) targets.set(arrow.to, arrow);
  }
  return graph;
}

/** Every set of units that reach each other, two or more, each sorted (Tarjan). */
export function circlesOf(graph) {
  const order = new Map(); // unit → when it was first met
  const lowest = new Map(); // unit → the earliest unit on the stack that it reaches
  const stack = [];
  const circles = [];
  const visit = (unit) => {
    order.set(unit, order.size);
    lowest.set(unit, order.get(unit));
    stack.push(unit);
    for (const next of graph.get(unit)?.keys() ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) lowest.set(unit, Math.min(lowest.get(unit), lowest.get(next)));
    }
    if (lowest.get(unit) !== order.get(unit)) return;
    const circle = stack.splice(stack.indexOf(unit));
    if (circle.length > 1) circles.push(circle.sort());
  };
  for (const unit of graph.keys()) if (!order.has(unit)) visit(unit);
  return circles;
}

/** The arrows of the shortest way from a unit back to itself; undefined: there is none. */
export function shortestLoop(graph, unit) {
  const reached = new Map([[unit, []]]);
  for (const [place, way] of reached) {
    for (const [next, arrow] of graph.get(place) ?? []) {
      if (next === unit) return [...way, arrow];
      if (!reached.has(next)) reached.set(next, [...way, arrow]);
    }
  }
  return undefined;
}
