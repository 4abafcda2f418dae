type CleanUp = () => unknown;

const stack: CleanUp[] = [];

/** Runs at the end of the test, last in first out. */
export function atEnd(cleanUp: CleanUp): void {
  stack.push(cleanUp);
}

afterEach(async () => {
  const errors: unknown[] = [];
  for (let cleanUp = stack.pop(); cleanUp !== undefined; cleanUp = stack.pop()) {
    try {
      await cleanUp();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
});
