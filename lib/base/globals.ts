/**
 * Global types that the declarations of this package name. They come from the types of Node.js or of
 * the DOM, or from `lib: ["esnext.disposable"]`; for a program that has none of these they are
 * declared here, empty, so that it compiles all the same. Where they are declared, this adds nothing.
 */
export {};

declare global {
  interface AbortSignal {}
  interface URL {}
  // biome-ignore lint/suspicious/noExplicitAny: as in the declaration it is merged with
  interface ReadableStream<R = any> {}
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}
