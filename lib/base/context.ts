/** The asynchronous context of the user, which what the addon calls does not have by itself. */
import { AsyncResource } from 'node:async_hooks';

/**
 * The same functions, which run in the asynchronous context of this call whoever calls them: so an
 * AsyncLocalStorage holds in all they call of the user's.
 */
export function inThisContext<T extends object>(functions: T): T {
  const context = new AsyncResource('IotkitOta');
  const bound = Object.entries(functions).map(([name, call]) => [name, context.bind(call)]);
  return Object.fromEntries(bound) as T;
}
