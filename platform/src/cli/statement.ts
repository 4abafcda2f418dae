// Tested by platform/test/cli.test.ts
//
// Signs statements of images on this machine: the key never gets to the platform.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type SignMethod, type Statement, signStatement, statementText } from '../index';
import { invalid, messageOf } from './errors';
import { sizeOf } from './files';

/** What a statement says besides the file. */
export interface StatementOptions {
  readonly productKey: string;
  readonly version: string;
  readonly module?: string;
  readonly diff?: boolean;
  readonly signMethod?: string;
  /** It is one file of several. */
  readonly file?: boolean;
}

/** The text for a file, for keys that this program cannot read (an HSM, a signing service). */
export async function statementOfFile(path: string, options: StatementOptions): Promise<string> {
  return statementText(await describe(path, options));
}

/** The signature for a file, base64. */
export async function signFile(
  path: string,
  keyFile: string,
  options: StatementOptions,
): Promise<string> {
  return signStatement(await describe(path, options), await keyOf(keyFile));
}

async function keyOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

async function describe(
  path: string,
  { productKey, version, module, diff = false, signMethod = 'SHA256', file }: StatementOptions,
): Promise<Statement> {
  if (!isMethod(signMethod)) throw invalid('--sign-method must be MD5 or SHA256');
  return {
    productKey,
    version,
    ...(module !== undefined && { module }),
    isDiff: diff,
    size: await sizeOf(path),
    signMethod,
    digest: await digestOf(path, signMethod),
    ...(file && { fileName: basename(path) }),
  };
}

function isMethod(text: string): text is SignMethod {
  return text === 'MD5' || text === 'SHA256';
}

async function digestOf(path: string, method: SignMethod): Promise<string> {
  const hash = createHash(method.toLowerCase());
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
