/*
 * A gateway's requests: found by id, too late, and of a connection that is gone.
 */
#include "channel/topo_requests.h"

#include "support/cm.h"

static struct ik_topo_requests requests;

static int setup(void **state) {
  (void)state;
  requests = (struct ik_topo_requests){.timeout_ms = 1000};
  return 0;
}

static int add(uint32_t id, unsigned connects, uint64_t end_ms) {
  const struct ik_topo_request request = {
      .id = id, .action = IK_TOPO_GET, .connects = connects, .end_ms = end_ms};
  return ik_topo_requests_add(&requests, &request);
}

static void finds_each_once(void **state) {
  struct ik_topo_request out;
  (void)state;
  for (uint32_t id = 1; id <= IK_TOPO_REQUESTS_MAX; id++)
    assert_int_equal(add(id, 1, 0), 0);
  assert_int_equal(add(99, 1, 0), IK_EQUEUE_FULL);
  for (uint32_t id = 1; id <= IK_TOPO_REQUESTS_MAX; id++) {
    assert_true(ik_topo_requests_take(&requests, id, &out));
    assert_int_equal(out.id, id);
    assert_false(ik_topo_requests_take(&requests, id, &out));
  }
  assert_int_equal(requests.count, 0);
}

static void a_time_begins_with_the_first_look(void **state) {
  struct ik_topo_request out;
  (void)state;
  assert_true(ik_topo_requests_due(&requests) == UINT64_MAX);
  assert_int_equal(add(1, 1, 0), 0);
  assert_int_equal(add(2, 1, 5500), 0);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 1, 5000, &out), 0);
  assert_true(ik_topo_requests_due(&requests) == 5500);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 1, 5499, &out), 0);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 1, 5500, &out), IK_ETIMEOUT);
  assert_int_equal(out.id, 2);
  assert_true(ik_topo_requests_due(&requests) == 6000);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 1, 6000, &out), IK_ETIMEOUT);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 1, 7000, &out), 0);
}

static void goes_with_its_connection(void **state) {
  struct ik_topo_request out;
  (void)state;
  assert_int_equal(add(1, 1, 0), 0);
  assert_int_equal(add(2, 2, 0), 0);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 2, 5000, &out), IK_ENOT_CONNECTED);
  assert_int_equal(out.id, 1);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 2, 5000, &out), 0);
  assert_int_equal(ik_topo_requests_take_lost(&requests, 0, 5000, &out), IK_ENOT_CONNECTED);
  assert_int_equal(requests.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(finds_each_once, setup),
      cmocka_unit_test_setup(a_time_begins_with_the_first_look, setup),
      cmocka_unit_test_setup(goes_with_its_connection, setup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
