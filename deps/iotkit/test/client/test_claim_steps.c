/*
 * How much work thousands of claims are: sign-ins that name nobody, by an X.509 certificate or without a client id, are
 * compared with nothing and stand in no list; those of devices are compared with a few.
 */
#include "base/buf.h"

static unsigned long comparisons;

static bool counted_eq(struct ik_str a, struct ik_str b) {
  comparisons++;
  return ik_str_eq_nocase(a, b);
}

#define ik_str_eq_nocase counted_eq
#include "client/claim.c"
#undef ik_str_eq_nocase

#include <stdio.h>

#include "support/cm.h"

#define MOST 4000

static struct ik_claim *claims[MOST];

static void no_wake(void *ctx) {
  (void)ctx;
}

static void take(size_t i, const char *client_id, const char *username) {
  const struct iotkit_mqtt_options options = {
      .host = "x509.example", .port = 1883, .client_id = client_id, .username = username};
  assert_int_equal(ik_claim_new(&options, no_wake, NULL, &claims[i]), 0);
  assert_int_equal(ik_claim_take(claims[i]), 0);
}

static size_t count_listed(void) {
  size_t count = 0;
  for (size_t i = 0; i < LISTS; i++) {
    for (const struct ik_claim *claim = newest[i]; claim; claim = claim->older)
      count++;
  }
  return count;
}

static void free_all(size_t count) {
  for (size_t i = 0; i < count; i++)
    ik_claim_free(claims[i]);
  assert_int_equal(count_listed(), 0);
}

static void those_that_name_nobody_are_no_work(void **state) {
  static const char *const ids[] = {"1|authType=x509,securemode=2|", ""};
  static const char *const names[] = {"&", "anybody"};
  (void)state;
  for (size_t kind = 0; kind < COUNT(ids); kind++) {
    comparisons = 0;
    for (size_t i = 0; i < MOST; i++)
      take(i, ids[kind], names[kind]);
    assert_int_equal(count_listed(), 0);
    assert_int_equal(ik_claim_take(claims[0]), IK_EINVALID_STATE);
    assert_false(ik_claim_waits(claims[0]));
    free_all(MOST);
    assert_int_equal(comparisons, 0);
  }
}

static unsigned long compare_devices(size_t count) {
  char client_id[64], username[64];
  comparisons = 0;
  for (size_t i = 0; i < count; i++) {
    snprintf(client_id, sizeof client_id, "%zu|securemode=2|", i);
    snprintf(username, sizeof username, "device%zu&product", i);
    take(i, client_id, username);
  }
  assert_int_equal(count_listed(), count);
  const unsigned long of_takes = comparisons;
  free_all(count);
  return of_takes;
}

/* Each is compared, twice, with those of its list: a 256th of all. */
static void devices_are_compared_with_a_few(void **state) {
  (void)state;
  for (size_t count = 1000; count <= MOST; count += 3000) {
    const unsigned long made = compare_devices(count);
    print_message("%zu devices: %lu comparisons\n", count, made);
    assert_true(made <= 2 * count * (count / (LISTS - 1) + 1));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(those_that_name_nobody_are_no_work),
      cmocka_unit_test(devices_are_compared_with_a_few),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
