/** Something in the state directory that is not as it should be. */
export interface StateProblem {
  /** `record`: in the database. `image`: a file that a record names. `file`: one that none names. */
  readonly what: 'record' | 'image' | 'file';
  /** Key of the record, or path in the state directory. */
  readonly name: string;
  readonly reason: string;
}

/** The problems found since the start, each once. */
export class StateProblems {
  readonly #found = new Map<string, StateProblem>();
  readonly #listeners: ((problem: StateProblem) => void)[] = [];

  /** In the order in which they were found. */
  get list(): StateProblem[] {
    return [...this.#found.values()];
  }

  report(problem: StateProblem): void {
    const key = `${problem.what} ${problem.name}`;
    if (this.#found.has(key)) return;
    this.#found.set(key, problem);
    for (const listener of this.#listeners) listener(problem);
  }

  onReport(listener: (problem: StateProblem) => void): void {
    this.#listeners.push(listener);
  }
}
