/* Packet identifiers in use, and the next one that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "iotkit_errors.h"
#include "mqtt/idset.h"

static void identifiers(void **state) {
  (void)state;
  struct ik_mqtt_idset ids;
  ik_mqtt_idset_init(&ids);
  assert_int_equal(ik_mqtt_idset_take(&ids), 1);
  assert_int_equal(ik_mqtt_idset_take(&ids), 2);
  ik_mqtt_idset_remove(&ids, 1);
  assert_int_equal(ik_mqtt_idset_take(&ids), 3);
  ids.last = 65534;
  assert_int_equal(ik_mqtt_idset_take(&ids), 65535);
  assert_int_equal(ik_mqtt_idset_take(&ids), 1); /* round, past 0 */
  assert_int_equal(ik_mqtt_idset_take(&ids), 4); /* 2 and 3 are in use */
  while (ids.count < 65535)
    assert_true(ik_mqtt_idset_take(&ids) > 0);
  assert_false(ik_mqtt_idset_has(&ids, 0));
  assert_int_equal(ik_mqtt_idset_take(&ids), IK_EQUEUE_FULL);
  assert_int_equal(ik_mqtt_idset_add(&ids, 7), 0);
  for (uint32_t id = 1; id <= 65535; id++)
    ik_mqtt_idset_remove(&ids, (uint16_t)id);
  assert_null(ids.pages);
  ik_mqtt_idset_clear(&ids);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(identifiers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
