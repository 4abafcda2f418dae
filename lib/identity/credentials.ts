/**
 * This room gets a device its credentials: who.ts checks who it says it is, registration.ts runs a
 * registration, register.ts is register(). It may import base, options and addon. Files of
 * credentials are read and written by the C SDK.
 *
 * This file: what a registration brings.
 */

/** Of a device that the platform knew before it registered. What {@link connect} takes. */
export interface SecretCredentials {
  /** Of the product. */
  readonly productKey: string;
  /** Of the device. */
  readonly deviceName: string;
  /** Signs in as the device: keep it where nobody else can read it. */
  readonly deviceSecret: string;
}

/** Of a device that the platform did not know before. What {@link connect} takes. */
export interface TokenCredentials {
  /** Of the product. */
  readonly productKey: string;
  /** Of the device. */
  readonly deviceName: string;
  /** The MQTT client id that the platform has given to this one device. */
  readonly clientId: string;
  /** Signs in as the device: keep it where nobody else can read it. */
  readonly deviceToken: string;
}

/** What {@link register} resolves to. */
export type Credentials = SecretCredentials | TokenCredentials;
