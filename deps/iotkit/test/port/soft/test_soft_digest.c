/*
 * MD5, SHA-1, SHA-256 and HMAC in plain C: published vectors, and OpenSSL where the tests have it.
 */
#include <string.h>

#ifdef IK_OPENSSL_LINKED
#include <openssl/evp.h>
#include <openssl/hmac.h>
#endif

#include "base/codec.h"
#include "port/soft/soft_digest.h"
#include "support/cm.h"
#include "support/rng.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *want) {
  char text[2 * IK_SOFT_MAX + 1];
  ik_hex_encode(bytes, len, text);
  assert_string_equal(text, want);
}

static void assert_digest(enum ik_soft_method method, const char *text, size_t len,
                          const char *want) {
  struct ik_soft_digest digest;
  uint8_t out[IK_SOFT_MAX];
  ik_soft_digest_init(&digest, method);
  ik_soft_digest_update(&digest, text, len);
  assert_hex(out, ik_soft_digest_final(&digest, out), want);
}

/* RFC 1321 appendix A.5 */
static void md5_of_rfc1321(void **state) {
  static const char *const rows[][2] = {
      {"", "d41d8cd98f00b204e9800998ecf8427e"},
      {"a", "0cc175b9c0f1b6a831c399e269772661"},
      {"abc", "900150983cd24fb0d6963f7d28e17f72"},
      {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
      {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
       "d174ab98d277d9f5a5611c2c9f419d9f"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "57edf4a22be3c955ac49da2e2107b67a"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_digest(IK_SOFT_MD5, rows[i][0], strlen(rows[i][0]), rows[i][1]);
}

/* The examples of FIPS 180 */
static void sha_of_fips180(void **state) {
  static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  (void)state;
  assert_digest(IK_SOFT_SHA1, "", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  assert_digest(IK_SOFT_SHA1, "abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
  assert_digest(IK_SOFT_SHA1, two_blocks, 56, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  assert_digest(IK_SOFT_SHA256, "", 0,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_digest(IK_SOFT_SHA256, "abc", 3,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert_digest(IK_SOFT_SHA256, two_blocks, 56,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void million_times_a(void **state) {
  static const char *const want[] = {
      [IK_SOFT_MD5] = "7707d6ae4e027c70eea2a935c2296f21",
      [IK_SOFT_SHA1] = "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
      [IK_SOFT_SHA256] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  };
  uint8_t piece[1000];
  uint8_t out[IK_SOFT_MAX];
  (void)state;
  memset(piece, 'a', sizeof piece);
  for (size_t m = 0; m < COUNT(want); m++) {
    struct ik_soft_digest digest;
    ik_soft_digest_init(&digest, (enum ik_soft_method)m);
    for (int i = 0; i < 1000; i++)
      ik_soft_digest_update(&digest, piece, sizeof piece);
    assert_hex(out, ik_soft_digest_final(&digest, out), want[m]);
  }
}

/*
 * RFC 2202 (MD5, SHA-1) and RFC 4231 (SHA-256): cases 1, 2, 3 and 6, the key longer than a block
 * among them.
 */
static void hmac_of_rfc2202_and_rfc4231(void **state) {
  uint8_t b0b[20], aa[131], dd[50], out[IK_SOFT_MAX];
  static const char hi[] = "Hi There", what[] = "what do ya want for nothing?";
  static const char big[] = "Test Using Larger Than Block-Size Key - Hash Key First";
  (void)state;
  memset(b0b, 0x0b, sizeof b0b);
  memset(aa, 0xaa, sizeof aa);
  memset(dd, 0xdd, sizeof dd);
  assert_hex(out, ik_soft_hmac(IK_SOFT_MD5, b0b, 16, hi, 8, out),
             "9294727a3638bb1c13f48ef8158bfc9d");
  assert_hex(out, ik_soft_hmac(IK_SOFT_MD5, "Jefe", 4, what, 28, out),
             "750c783e6ab0b503eaa86e310a5db738");
  assert_hex(out, ik_soft_hmac(IK_SOFT_MD5, aa, 16, dd, 50, out),
             "56be34521d144c88dbb8c733f0e8b3f6");
  assert_hex(out, ik_soft_hmac(IK_SOFT_MD5, aa, 80, big, 54, out),
             "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA1, b0b, 20, hi, 8, out),
             "b617318655057264e28bc0b6fb378c8ef146be00");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA1, "Jefe", 4, what, 28, out),
             "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA1, aa, 20, dd, 50, out),
             "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA1, aa, 80, big, 54, out),
             "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA256, b0b, 20, hi, 8, out),
             "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA256, "Jefe", 4, what, 28, out),
             "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA256, aa, 20, dd, 50, out),
             "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  assert_hex(out, ik_soft_hmac(IK_SOFT_SHA256, aa, 131, big, 54, out),
             "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static size_t digest_in_pieces(struct rng *rng, enum ik_soft_method method, const uint8_t *data,
                               size_t len, uint8_t *out) {
  struct ik_soft_digest digest;
  ik_soft_digest_init(&digest, method);
  while (len > 0) {
    size_t n = rng_below(rng, rng_below(rng, 4) ? 70 : 500);
    if (n > len) n = len;
    ik_soft_digest_update(&digest, data, n);
    data += n;
    len -= n;
  }
  return ik_soft_digest_final(&digest, out);
}

/* Every length around the block's, cut anyhow, gives the digest of the whole. */
static void pieces_equal_the_whole(void **state) {
  struct rng rng = rng_start("soft digest");
  uint8_t data[400], whole[IK_SOFT_MAX], pieces[IK_SOFT_MAX];
  (void)state;
  rng_fill(&rng, data, sizeof data);
  for (int m = IK_SOFT_MD5; m <= IK_SOFT_SHA256; m++) {
    for (size_t len = 0; len <= sizeof data; len++) {
      struct ik_soft_digest digest;
      size_t n;
      ik_soft_digest_init(&digest, (enum ik_soft_method)m);
      ik_soft_digest_update(&digest, data, len);
      n = ik_soft_digest_final(&digest, whole);
      assert_int_equal(digest_in_pieces(&rng, (enum ik_soft_method)m, data, len, pieces), n);
      assert_memory_equal(pieces, whole, n);
    }
  }
}

static void a_copy_gives_the_value_so_far(void **state) {
  struct ik_soft_digest digest, copy;
  uint8_t out[IK_SOFT_MAX];
  (void)state;
  ik_soft_digest_init(&digest, IK_SOFT_MD5);
  ik_soft_digest_update(&digest, "a", 1);
  copy = digest;
  assert_hex(out, ik_soft_digest_final(&copy, out), "0cc175b9c0f1b6a831c399e269772661");
  ik_soft_digest_update(&digest, "bc", 2);
  assert_hex(out, ik_soft_digest_final(&digest, out), "900150983cd24fb0d6963f7d28e17f72");
}

static void final_wipes(void **state) {
  struct ik_soft_digest digest;
  static const struct ik_soft_digest zero;
  uint8_t out[IK_SOFT_MAX];
  (void)state;
  ik_soft_digest_init(&digest, IK_SOFT_SHA256);
  ik_soft_digest_update(&digest, "secret", 6);
  ik_soft_digest_final(&digest, out);
  assert_memory_equal(digest.state, zero.state, sizeof zero.state);
  assert_memory_equal(digest.block, zero.block, sizeof zero.block);
}

#ifdef IK_OPENSSL_LINKED
static void equals_openssl(void **state) {
  const EVP_MD *const methods[] = {
      [IK_SOFT_MD5] = EVP_md5(), [IK_SOFT_SHA1] = EVP_sha1(), [IK_SOFT_SHA256] = EVP_sha256()};
  struct rng rng = rng_start("soft digest, OpenSSL");
  uint8_t data[5000], ours[IK_SOFT_MAX], theirs[EVP_MAX_MD_SIZE];
  unsigned len;
  (void)state;
  rng_fill(&rng, data, sizeof data);
  for (int i = 0; i < 3000; i++) {
    size_t m = rng_below(&rng, COUNT(methods));
    size_t from = rng_below(&rng, 64); /* any alignment */
    size_t n = rng_below(&rng, rng_below(&rng, 2) ? 300 : sizeof data - from);
    size_t key_len = rng_below(&rng, 200);
    assert_int_equal(EVP_Digest(data + from, n, theirs, &len, methods[m], NULL), 1);
    assert_int_equal(digest_in_pieces(&rng, (enum ik_soft_method)m, data + from, n, ours), len);
    assert_memory_equal(ours, theirs, len);
    assert_non_null(HMAC(methods[m], data + from, (int)key_len, data, n, theirs, &len));
    assert_int_equal(ik_soft_hmac((enum ik_soft_method)m, data + from, key_len, data, n, ours),
                     len);
    assert_memory_equal(ours, theirs, len);
  }
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(md5_of_rfc1321),
      cmocka_unit_test(sha_of_fips180),
      cmocka_unit_test(million_times_a),
      cmocka_unit_test(hmac_of_rfc2202_and_rfc4231),
      cmocka_unit_test(pieces_equal_the_whole),
      cmocka_unit_test(a_copy_gives_the_value_so_far),
      cmocka_unit_test(final_wipes),
#ifdef IK_OPENSSL_LINKED
      cmocka_unit_test(equals_openssl),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
