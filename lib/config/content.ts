/** The bytes of a configuration as text and as JSON. What is in them is in no error: it may be secret. */
import { IotkitError } from '../base/errors';

/** Without a byte order mark. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new IotkitError('ERR_CONFIG_CONTENT', 'it is not UTF-8');
  }
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, at] = /at position (\d+)/.exec(String(error)) ?? [];
    const where = at === undefined ? '' : `, as character ${at} shows`;
    throw new IotkitError('ERR_CONFIG_CONTENT', `it is not JSON${where}`);
  }
}
