// Tested by test/unit/addon/trust.test.ts
/** The CA certificates that the runtime trusts. Needs no addon. */
import { readFileSync } from 'node:fs';
import { IotkitError } from '../base/errors';

/** The runtime's own list, including those the user has added; PEM. */
export function readDefaultCa(): string {
  const tls: typeof import('node:tls') = require('node:tls');
  // Node.js ≥ 22.15.
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  if (getCACertificates !== undefined) return getCACertificates('default').join('\n');
  return [...tls.rootCertificates, extraCa()].join('\n');
}

function extraCa(): string {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  if (file === undefined || file === '') return '';
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    // A failure that passes must not be kept in a context as "trust fewer".
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM') {
      throw new IotkitError('ERR_TLS', `${file}: ${code}`, { cause: error });
    }
    return ''; // Node.js itself has warned about it at its start.
  }
}
