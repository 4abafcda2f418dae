/*
 * The table of sub-devices and its queue: who waits, in what order and how many at a time, how fast,
 * and who is freed.
 */
#include "channel/subdevices.h"

#include <stdio.h>
#include <string.h>

#include "support/cm.h"

#define T0 UINT64_C(1000000)

static struct ik_subdevices subs;

static int setup(void **state) {
  (void)state;
  ik_subdevices_init(&subs);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  ik_subdevices_deinit(&subs);
  return 0;
}

static struct ik_subdevice *want(unsigned number) {
  char name[16];
  snprintf(name, sizeof(name), "d%u", number);
  const struct ik_topo_device device = {
      .product_key = "pk", .device_name = name, .device_secret = "secret"};
  struct ik_subdevice *sub;
  bool is_new;
  assert_int_equal(ik_subdevices_want(&subs, &device, &sub, &is_new), 0);
  return sub;
}

static size_t take(uint64_t now_ms, uint32_t id, enum ik_topo_action *action) {
  struct ik_subdevice *batch[IK_LOGINS_MAX];
  return ik_subdevices_take(&subs, now_ms, id, batch, action);
}

static void finds_whom_it_knows(void **state) {
  (void)state;
  struct ik_subdevice *first = want(0);
  for (unsigned i = 0; i < 100; i++)
    want(i);
  assert_int_equal(subs.count, 100);
  assert_ptr_equal(ik_subdevices_find(&subs, IK_STR("pk"), IK_STR("d0")), first);
  assert_string_equal(ik_subdevice_key(first), "pk");
  assert_null(ik_subdevices_find(&subs, IK_STR("pk"), IK_STR("d100")));
  assert_null(ik_subdevices_find(&subs, IK_STR("p"), IK_STR("kd0")));
}

static void keeps_the_newest_identity(void **state) {
  const struct ik_topo_device device = {.product_key = "pk",
                                        .device_name = "d0",
                                        .device_secret = "other",
                                        .client_id = "id",
                                        .method = IOTKIT_SIGN_HMACMD5,
                                        .keep_session = true};
  struct ik_subdevice *sub = want(0);
  struct ik_subdevice *again;
  bool is_new = true;
  (void)state;
  assert_null(ik_subdevice_identity(sub).client_id);
  assert_int_equal(ik_subdevices_want(&subs, &device, &again, &is_new), 0);
  assert_ptr_equal(again, sub);
  assert_false(is_new);
  const struct ik_topo_device identity = ik_subdevice_identity(sub);
  assert_string_equal(identity.device_secret, "other");
  assert_string_equal(identity.client_id, "id");
  assert_int_equal(identity.method, IOTKIT_SIGN_HMACMD5);
  assert_true(identity.keep_session);
}

static void takes_fifty_at_a_time_and_as_fast_as_it_may(void **state) {
  enum ik_topo_action action;
  (void)state;
  assert_true(ik_subdevices_due(&subs) == UINT64_MAX);
  for (unsigned i = 0; i < 101; i++)
    want(i);
  assert_true(ik_subdevices_due(&subs) <= T0);
  assert_int_equal(take(T0, 1, &action), 50);
  assert_int_equal(action, IK_TOPO_LOGIN_BATCH);
  assert_true(ik_subdevices_due(&subs) == T0 + 300);
  assert_int_equal(take(T0 + 299, 2, &action), 0);
  assert_int_equal(take(T0 + 300, 2, &action), 50);
  assert_int_equal(take(T0 + 600, 3, &action), 1);
  assert_int_equal(action, IK_TOPO_LOGIN);
  assert_int_equal(take(T0 + 900, 4, &action), 0);
  want(200);
  assert_int_equal(take(T0 + 649, 4, &action), 0); /* 20 messages a second */
  assert_int_equal(take(T0 + 650, 4, &action), 1);
}

static void takes_alone_who_may_be_at_fault(void **state) {
  enum ik_topo_action action;
  (void)state;
  for (unsigned i = 0; i < 3; i++)
    want(i)->alone = i == 1;
  assert_int_equal(take(T0, 1, &action), 1);
  assert_int_equal(take(T0 + 50, 2, &action), 1);
  assert_int_equal(take(T0 + 100, 3, &action), 1);
}

static void logs_out_in_messages_of_their_own(void **state) {
  enum ik_topo_action action;
  (void)state;
  struct ik_subdevice *first = want(0);
  struct ik_subdevice *second = want(1);
  assert_int_equal(take(T0, 1, &action), 2);
  ik_subdevices_set(&subs, first, IK_SUB_IN);
  ik_subdevices_set(&subs, second, IK_SUB_IN);
  ik_subdevices_unwant(&subs, first);
  want(2);
  ik_subdevices_unwant(&subs, second);
  assert_int_equal(take(T0 + 300, 2, &action), 1);
  assert_int_equal(action, IK_TOPO_LOGOUT);
  assert_ptr_equal(ik_subdevices_next(&subs, NULL, IK_SUB_LEAVING, 2), first);
  assert_null(ik_subdevices_next(&subs, first, IK_SUB_LEAVING, 2));
  assert_int_equal(take(T0 + 350, 3, &action), 1);
  assert_int_equal(action, IK_TOPO_LOGIN);
  assert_int_equal(take(T0 + 400, 4, &action), 1);
  assert_int_equal(action, IK_TOPO_LOGOUT);
  assert_int_equal(take(T0 + 500, 5, &action), 0);
}

static void leaves_the_queue_anywhere(void **state) {
  enum ik_topo_action action;
  (void)state;
  for (unsigned left = 0; left < 3; left++) {
    for (unsigned i = 0; i < 3; i++)
      want(i);
    ik_subdevices_unwant(&subs, want(left));
    assert_int_equal(take(T0 + left * 1000, left + 1, &action), 2);
    want(3); /* the end of the queue is in order */
    assert_int_equal(take(T0 + left * 1000 + 500, 9, &action), 1);
    ik_subdevices_deinit(&subs);
  }
}

static void frees_who_is_forgotten_and_out(void **state) {
  (void)state;
  struct ik_subdevice *sub = want(0);
  want(1);
  ik_subdevices_reap(&subs);
  assert_int_equal(subs.count, 2);
  sub->channel = sub;
  ik_subdevices_unwant(&subs, sub);
  ik_subdevices_reap(&subs); /* its channel needs it */
  assert_int_equal(subs.count, 2);
  sub->channel = NULL;
  ik_subdevices_reap(&subs);
  assert_int_equal(subs.count, 1);
  assert_null(ik_subdevices_find(&subs, IK_STR("pk"), IK_STR("d0")));
  sub = want(1);
  ik_subdevices_unwant(&subs, sub);
  want(1); /* wanted again meanwhile */
  ik_subdevices_reap(&subs);
  assert_int_equal(subs.count, 1);
}

static void begins_again_with_each_connection(void **state) {
  enum ik_topo_action action;
  (void)state;
  struct ik_subdevice *in = want(0);
  struct ik_subdevice *refused = want(1);
  struct ik_subdevice *disabled = want(2);
  struct ik_subdevice *unwanted = want(3);
  assert_int_equal(take(T0, 1, &action), 4);
  ik_subdevices_set(&subs, in, IK_SUB_IN);
  ik_subdevices_set(&subs, refused, IK_SUB_REFUSED);
  ik_subdevices_set(&subs, disabled, IK_SUB_OUT);
  disabled->disabled = true;
  unwanted->wanted = false;
  want(4);
  ik_subdevices_restart(&subs, T0);
  assert_int_equal(take(T0 + 49, 2, &action), 0); /* the rates outlive a connection */
  assert_int_equal(take(T0 + 50, 2, &action), 4);
  assert_int_equal(unwanted->state, IK_SUB_OUT);
}

static void backs_off_ever_longer(void **state) {
  (void)state;
  want(0);
  ik_subdevices_back_off(&subs, T0, UINT32_MAX);
  const uint64_t first_ms = ik_subdevices_due(&subs) - T0;
  assert_in_range(first_ms, 500, 1000);
  ik_subdevices_back_off(&subs, T0, UINT32_MAX);
  assert_in_range(ik_subdevices_due(&subs) - T0, first_ms + 1, 2000);
  for (int i = 0; i < 20; i++)
    ik_subdevices_back_off(&subs, T0, UINT32_MAX);
  assert_in_range(ik_subdevices_due(&subs) - T0, 30000, 60000);
  ik_subdevices_go_on(&subs);
  assert_int_equal(subs.backoff.failures, 0);
}

static void has_a_limit(void **state) {
  struct ik_subdevice *sub;
  bool is_new;
  (void)state;
  for (unsigned i = 0; i < IK_SUBDEVICES_MAX; i++)
    want(i);
  const struct ik_topo_device device = {
      .product_key = "pk", .device_name = "more", .device_secret = "s"};
  assert_int_equal(ik_subdevices_want(&subs, &device, &sub, &is_new), IK_ESUBDEVICE_LIMIT);
  want(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(finds_whom_it_knows),
      TEST(keeps_the_newest_identity),
      TEST(takes_fifty_at_a_time_and_as_fast_as_it_may),
      TEST(takes_alone_who_may_be_at_fault),
      TEST(logs_out_in_messages_of_their_own),
      TEST(leaves_the_queue_anywhere),
      TEST(frees_who_is_forgotten_and_out),
      TEST(begins_again_with_each_connection),
      TEST(backs_off_ever_longer),
      TEST(has_a_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
