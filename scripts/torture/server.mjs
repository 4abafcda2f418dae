// The firmware server of one run: answers as planned, however often it is asked, and counts what it sends.

/** `url(generation)` is told to the platform when an address has expired. */
export class TortureServer {
  #plan;
  #image;
  #support;
  #server;
  #next = 0;
  #generation = 0;
  #onExpired;
  #watchers = new Set();

  static async start({ plan, image, tls, support, onExpired }) {
    const torture = new TortureServer();
    torture.#plan = plan;
    torture.#image = image;
    torture.#support = support;
    torture.#onExpired = onExpired;
    torture.#server = await support.FaultServer.start({
      image,
      ...(plan.scheme === 'https' && { tls }),
      schedule: [(exchange) => torture.#answer(exchange)],
    });
    return torture;
  }

  /** The address that has not expired. */
  get url() {
    return `${this.#server.url}&generation=${this.#generation}`;
  }

  get requests() {
    return this.#server.requests;
  }

  get sent() {
    return this.#server.sent;
  }

  /** Whether all that was planned has been answered, and at least one request behind it. */
  get hasEnded() {
    return this.#next > this.#plan.replies.length;
  }

  /** Calls `reached` once, when so many bytes were sent in all. Returns what takes that back. */
  whenSent(bytes, reached) {
    const watcher = setInterval(() => {
      if (this.sent < bytes) return;
      clearInterval(watcher);
      reached();
    }, 1);
    this.#watchers.add(watcher);
    return () => clearInterval(watcher);
  }

  async close() {
    for (const watcher of this.#watchers) clearInterval(watcher);
    await this.#server[Symbol.asyncDispose]();
  }

  #answer(exchange) {
    const { status } = this.#support;
    const [, generation] = /generation=(\d+)/.exec(exchange.request.target);
    if (Number(generation) < this.#generation) return status('403 Forbidden')(exchange);
    const reply = this.#plan.replies[this.#next++] ?? { kind: this.#plan.ends };
    return this.#reply(reply)(exchange);
  }

  #reply({ kind, after, status: code, says, ending }) {
    const { serve, status, silence, chunks } = this.#support;
    const pace = { step: 32 * 1024, bytesPerSecond: this.#plan.megabytesPerSecond * 1e6 };
    switch (kind) {
      case 'cut':
        return serve({ ...pace, after, ending: 'cut' });
      case 'reset':
        return serve({ ...pace, after, ending: 'reset' });
      case 'truncate':
        return serve({ ...pace, after, ending: 'close' });
      case 'stall':
        return serve({ ...pace, after, ending: 'stall' });
      case 'less':
        return serve({
          ...pace,
          span: ({ start, end }) => ({
            start,
            end: start === 0 ? end : Math.min(end, start + after + 1),
          }),
        });
      case 'chunked':
        return serve({ ...pace, chunked: chunks({ size: 50_000 }), after, ending: 'close' });
      case 'unframed':
        return serve({ ...pace, fields: { 'Content-Length': null }, after, ending: 'close' });
      case 'whole':
        return serve({ ...pace, ranges: false, after, ending: 'close' });
      case 'tag':
        return serve({ ...pace, etag: `"${after}"` });
      case 'silence':
        return silence(ending);
      case 'unavailable':
        return status(`${code} Later`, { fields: says ? { 'Retry-After': '0' } : {} });
      case 'expired':
        this.#generation += 1;
        this.#onExpired(this.url);
        return status(`${code} Expired`);
      case 'ERR_HTTP_STATUS':
        return status('404 Not Found');
      case 'ERR_SIZE_MISMATCH':
        return serve({ ...pace, ranges: false, image: this.#image.subarray(1) });
      case 'ERR_DIGEST_MISMATCH':
        return serve({ ...pace, corruptAt: 0, ranges: false });
      default:
        return serve(pace);
    }
  }
}
