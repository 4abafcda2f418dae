/** The hosts that images may come from. */
import { conflict, text, wrongType } from '../base/arguments';

const hostPattern = new RegExp(
  [
    /^(?!\*\.[\d.]+(?::|$))/, // an address has no subdomains
    /(?:(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])/,
    /(?::[1-9]\d{0,4})?$/,
  ]
    .map(({ source }) => source)
    .join(''),
);

/** @internal The hosts, separated by commas. */
export function checkHosts(given: unknown): string {
  const name = 'fetch.allowedHosts';
  if (!Array.isArray(given)) throw wrongType(name, 'an array of host names', given);
  if (given.length === 0 || given.length > 64) {
    throw conflict(`${name} must have 1-64 hosts, got ${given.length}`);
  }
  const expected = 'a host name, "*." and a domain, or [an IPv6 address], with or without :port';
  return given
    .map((host: unknown, i) =>
      text(`${name}[${i}]`, host, { max: 261, pattern: hostPattern, expected }),
    )
    .join(',');
}
