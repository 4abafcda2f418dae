/** The asynchronous context of the user, which what the addon calls does not have by itself. */
import { AsyncResource } from 'node:async_hooks';

type Call = (...args: unknown[]) => unknown;

/**
 * Makes a function which gives, for an object, one whose methods `names` call those of the object in the
 * asynchronous context in which it was made, whoever calls them: so an AsyncLocalStorage holds in all they call of
 * the user's. Each is one small object, whatever the number of methods: there may be thousands.
 */
export function callingInContext<T extends object>(
  names: readonly (keyof T & string)[],
): (target: T) => T {
  class InContext extends AsyncResource {
    readonly target: T;

    constructor(target: T) {
      super('IotkitOta');
      this.target = target;
    }
  }
  for (const name of names) {
    const value = function (this: InContext, ...args: unknown[]): unknown {
      return this.runInAsyncScope(this.target[name] as Call, this.target, ...args);
    };
    Object.defineProperty(InContext.prototype, name, { value });
  }
  return (target) => new InContext(target) as unknown as T;
}
