import { createHash, X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock';
import { invalid, PlatformError } from '../base/errors';
import type { Store } from '../store/store';

/** A CA of the operator's own, under which devices may have certificates. */
export interface RegisteredAuthority {
  /** SHA-256 of its certificate, hex digits. */
  readonly id: string;
  /** As the certificate spells it. */
  readonly subject: string;
  /** PEM. */
  readonly certificate: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly notAfter: number;
}

/** What `authorities.register` takes. */
export interface AuthorityOptions {
  /** The CA's certificate, PEM: RSA, at least 2048 bits. */
  readonly certificate: string;
  /** A certificate that the CA has signed, its common name the registration code, PEM. */
  readonly verification: string;
}

interface Dependencies {
  readonly store: Store;
  readonly clock: Clock;
  /** PEM of the platform's own CA for devices. */
  readonly ownCa: string;
  /** Called when a CA is about to be forgotten; ends the connections that rest on it. */
  readonly removed: (id: string) => void;
}

/** The platform's own bound. */
const MAX_AUTHORITIES = 10;
const MIN_RSA_BITS = 2048;

/**
 * CAs of the operator's own. Whoever registers one proves that it has the key: the CA signs a
 * certificate whose common name is the registration code.
 */
export class Authorities {
  readonly #deps: Dependencies;
  readonly #authorities = new Map<string, RegisteredAuthority>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** @internal */
  async load(): Promise<void> {
    for (const each of await this.#deps.store.load<RegisteredAuthority>('authority')) {
      this.#authorities.set(each.id, each);
    }
  }

  /** The common name that a verification certificate has to have; always the same of a platform. */
  get registrationCode(): string {
    return createHash('sha256').update(this.#deps.ownCa).digest('hex').slice(0, 32);
  }

  /** Oldest first. */
  list(): RegisteredAuthority[] {
    return [...this.#authorities.values()].sort((a, b) => a.createdAt - b.createdAt);
  }

  /**
   * Registers a CA. Rejects with ERR_INVALID_ARGUMENT (which says what is wrong with the certificates),
   * ERR_AUTHORITY_EXISTS, ERR_STATE_FULL, ERR_STATE.
   */
  async register({ certificate, verification }: AuthorityOptions): Promise<RegisteredAuthority> {
    const ca = parseCertificate('certificate', certificate);
    const id = fingerprintOf(ca);
    if (this.#authorities.has(id)) {
      throw new PlatformError('ERR_AUTHORITY_EXISTS', `the CA ${id} is registered already`);
    }
    if (this.#authorities.size >= MAX_AUTHORITIES) {
      throw invalid(`at most ${MAX_AUTHORITIES} CAs can be registered`);
    }
    this.#checkCa(ca);
    this.#checkPossession(ca, parseCertificate('verification', verification));
    const record: RegisteredAuthority = {
      id,
      subject: ca.subject,
      certificate: ca.toString(),
      createdAt: this.#deps.clock.now(),
      notAfter: validUntil(ca),
    };
    await this.#deps.store.commit([{ kind: 'authority', key: id, record }]);
    this.#authorities.set(id, record);
    return record;
  }

  /**
   * Forgets a CA: the certificates under it are refused from now on, and their devices' connections
   * end. Rejects with ERR_AUTHORITY_UNKNOWN, ERR_STATE_FULL, ERR_STATE.
   */
  async remove(id: string): Promise<void> {
    if (!this.#authorities.has(id)) {
      throw new PlatformError('ERR_AUTHORITY_UNKNOWN', `there is no registered CA ${id}`);
    }
    await this.#deps.store.commit([{ kind: 'authority', key: id }]);
    this.#authorities.delete(id);
    this.#deps.removed(id);
  }

  /** @internal */
  has(id: string): boolean {
    return this.#authorities.has(id);
  }

  /** @internal The registered CA that has signed a certificate; undefined when none has. */
  issuerOf(certificate: X509Certificate): RegisteredAuthority | undefined {
    return this.list().find((each) =>
      isSignedBy(certificate, new X509Certificate(each.certificate)),
    );
  }

  #checkCa(ca: X509Certificate): void {
    if (!ca.ca) throw invalid('certificate is not that of a CA (basicConstraints CA:TRUE)');
    checkRsa('certificate', ca);
    if (validUntil(ca) <= this.#deps.clock.now()) {
      throw invalid('certificate has expired');
    }
  }

  #checkPossession(ca: X509Certificate, verification: X509Certificate): void {
    if (!isSignedBy(verification, ca)) {
      throw invalid('verification was not signed by the CA of certificate');
    }
    const [, name] = /^CN=(.*)$/m.exec(verification.subject) ?? [];
    if (name !== this.registrationCode) {
      throw invalid(`the common name of verification must be ${this.registrationCode}`);
    }
    if (validUntil(verification) <= this.#deps.clock.now()) {
      throw invalid('verification has expired');
    }
  }
}

/** Throws ERR_INVALID_ARGUMENT, which names the argument and shows nothing of it. */
export function parseCertificate(name: string, pem: unknown): X509Certificate {
  try {
    if (typeof pem === 'string' && pem.includes('-----BEGIN CERTIFICATE-----')) {
      return new X509Certificate(pem);
    }
  } catch {
    // The same error as for what is no PEM.
  }
  throw invalid(`${name} must be a certificate in PEM format`);
}

/** Throws ERR_INVALID_ARGUMENT: under a CA of one's own the platform takes RSA alone. */
export function checkRsa(name: string, { publicKey }: X509Certificate): void {
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (publicKey.asymmetricKeyType === 'rsa' && bits >= MIN_RSA_BITS) return;
  throw invalid(`${name} must have an RSA key of at least ${MIN_RSA_BITS} bits`);
}

/** SHA-256, hex digits. */
export function fingerprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

function isSignedBy(certificate: X509Certificate, ca: X509Certificate): boolean {
  return certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
}

/** Milliseconds since the epoch. */
export function validUntil({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}
