import type { Socket } from 'node:net';

/**
 * Ends a connection by RST; one whose own side is ending at this moment, as it does by itself when
 * the peer has ended, is only closed. Its handle cannot be reset then (EINVAL), and Node.js counts
 * it as closing all the same: when the process exits, it would spin for ever.
 */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (isEnding) socket.destroy();
  else socket.resetAndDestroy();
}
