/* Whether a file's bytes are the announced ones. */
#include "image/content.h"

#include "base/limits.h"
#include "support/cm.h"
#include "support/file_world.h"

#define BASE 7 /* bytes before the image */

static struct ik_osfile *put(const struct image *image) {
  struct ik_osfile *os;
  int flags = IK_OSFILE_READ | IK_OSFILE_WRITE | IK_OSFILE_CREATE;
  assert_int_equal(ik_osfile_open("file", flags, 0600, &os, NULL), 0);
  assert_int_equal(ik_osfile_write(os, BASE, image->bytes, image->size, NULL), 0);
  return os;
}

/* Also where it takes more than one read. */
static void the_bytes_are_compared(void **state) {
  struct rng rng = rng_start("the_bytes_are_compared");
  static const size_t sizes[] = {1, IK_MIB, IK_MIB + 1};
  static const enum iotkit_digest_method methods[] = {IOTKIT_DIGEST_MD5, IOTKIT_DIGEST_SHA256};
  (void)state;
  for (size_t i = 0; i < COUNT(sizes) * COUNT(methods); i++) {
    struct image image = image_new(&rng, sizes[i / 2], methods[i % 2]);
    struct ik_osfile *os = put(&image);
    uint8_t last = image.bytes[image.size - 1] ^ 1;
    uint8_t before = image.bytes[0] ^ 1; /* an image of one byte may be what was there */
    assert_int_equal(ik_content_has_digest(os, BASE, image.size, image.method, image.digest, NULL),
                     1);
    assert_int_equal(ik_osfile_write(os, BASE - 1, &before, 1, NULL), 0);
    assert_int_equal(
        ik_content_has_digest(os, BASE - 1, image.size, image.method, image.digest, NULL), 0);
    assert_int_equal(ik_osfile_write(os, BASE + image.size - 1, &last, 1, NULL), 0);
    assert_int_equal(ik_content_has_digest(os, BASE, image.size, image.method, image.digest, NULL),
                     0);
    ik_osfile_close(os);
    image_free(&image);
    remove("file");
  }
}

static void bytes_that_are_missing_are_an_error(void **state) {
  struct rng rng = rng_start("bytes_that_are_missing_are_an_error");
  struct image image = image_new(&rng, 1000, IOTKIT_DIGEST_SHA256);
  struct ik_osfile *os = put(&image);
  (void)state;
  assert_int_equal(
      ik_content_has_digest(os, BASE, image.size + 1, image.method, image.digest, NULL), IK_EFILE);
  ik_osfile_close(os);
  image_free(&image);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(the_bytes_are_compared),
      IN_DIRECTORY(bytes_that_are_missing_are_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
