/** Ends what was begun, also where the work failed: then that is the error, whatever the end says. */

/**
 * Runs `work`, then `end`. The first error counts: what `end` throws after an error of the work is
 * left out, because it says nothing of why the work failed.
 */
export async function withEnd<T>(
  work: () => Promise<T>,
  end: () => Promise<unknown> | undefined,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await endQuietly(end);
    throw error;
  }
  await end();
  return result;
}

/** For what fails already, or was only read: how it ends changes nothing. */
export async function endQuietly(end: () => Promise<unknown> | undefined): Promise<void> {
  try {
    await end();
  } catch {
    // the first error says more
  }
}
