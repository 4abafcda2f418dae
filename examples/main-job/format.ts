const MB = 1e6;

/** `98.2 MB` */
export function megabytes(bytes: number): string {
  return bytes < MB ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / MB).toFixed(1)} MB`;
}

/** `512 MB/s` */
export function speed(bytesPerSecond: number): string {
  const value = bytesPerSecond / MB;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} MB/s`;
}

/** Time left at this speed: `0.4 s`, `12 s`, `3 min 5 s`, or `-` while there is none. */
export function timeLeft(bytes: number, bytesPerSecond: number): string {
  if (bytes <= 0) return '0 s';
  if (bytesPerSecond <= 0) return '-';
  const seconds = bytes / bytesPerSecond;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Whole percent, 100 only when all is there. */
export function percent(received: number, size: number): number {
  return received >= size ? 100 : Math.floor((received / size) * 100);
}
