/** How the devices of a product prove who they are: each by its secret, or by a certificate. */
export type ProductAuthentication = 'secret' | 'x509';

/** A product, as far as its devices' identities need one. */
export interface Product {
  readonly productKey: string;
  /** Signs dynamic registrations. */
  readonly productSecret: string;
  readonly authentication: ProductAuthentication;
  /** Whether its devices may fetch their secrets themselves. */
  readonly dynamicRegistration: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}
