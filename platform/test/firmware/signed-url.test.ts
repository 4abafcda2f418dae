import { ManualClock } from '../../src/base/clock';
import { UrlSigner } from '../../src/firmware/signed-url';

describe('UrlSigner', () => {
  const clock = new ManualClock(1_000_000_000_000);
  const signer = new UrlSigner(Buffer.alloc(32, 1), clock);

  test('knows its own, and no other', () => {
    const url = signer.sign('/firmware/1.bin', 10, { hop: '1.2.302' });
    expect(signer.check(url)).toBeUndefined();
    const other = new UrlSigner(Buffer.alloc(32, 2), clock);
    expect(other.check(url)).toBe('altered');
    for (let index = 0; index < url.length; index++) {
      const char = url[index] === 'x' ? 'y' : 'x';
      const flaw = signer.check(url.slice(0, index) + char + url.slice(index + 1));
      expect(['altered', 'incomplete']).toContain(flaw);
    }
  });

  test('looks at the expiry first, and at what is missing before that', () => {
    const url = signer.sign('/firmware/1.bin', 10);
    const altered = url.replace('firmware', 'firmwares');
    expect(signer.check(altered)).toBe('altered');
    clock.advance(10_000);
    expect([signer.check(url), signer.check(altered)]).toEqual(['expired', 'expired']);
    for (const name of ['Expires', 'OSSAccessKeyId', 'Signature']) {
      expect(signer.check(url.replace(`${name}=`, 'x='))).toBe('incomplete');
    }
  });

  test.each([0, 100, 117, 118, 119, 120, 121, 130, 155, 156, 157, 158, 159, 160, 4000])(
    'pads to %d characters',
    (length) => {
      const url = signer.sign('/firmware/1.bin', 10, {}, length);
      expect(url.length).toBeGreaterThanOrEqual(length);
      expect(url.length).toBeLessThanOrEqual(Math.max(length + 17, 133));
      expect(signer.check(url)).toBeUndefined();
    },
  );
});
