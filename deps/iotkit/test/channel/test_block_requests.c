/*
 * Requests for blocks and the receivers of their replies, over a client that is never connected.
 */
#include "channel/block_requests.h"

#include "channel/client_carrier.h"
#include "support/cm.h"
#include "support/offline_client.h"

static iotkit_mqtt_t *client;
static struct ik_client_carrier carrier;
static struct ik_line line;
static struct ik_block_requests blocks;
static const struct ik_ota_block block = {1, 1, 0, 256};

static int setup(void **state) {
  (void)state;
  client = offline_client_new();
  ik_block_requests_init(&blocks, &line);
  ik_client_carrier_init(&carrier, client);
  return ik_line_init(&line, &carrier.face, "pk", "dn");
}

static int teardown(void **state) {
  (void)state;
  ik_line_deinit(&line);
  return iotkit_mqtt_free(client);
}

/* What ik_channel_uplink_close() does with the blocks. */
static void close_line(void) {
  ik_mutex_lock(line.mutex);
  ik_block_requests_notify_close(&blocks);
  struct ik_carrier *taken = ik_line_begin_close(&line);
  ik_mutex_unlock(line.mutex);
  ik_block_requests_unsubscribe(&blocks, taken);
  ik_line_end_close(&line);
}

static void on_reply(void *ctx, const uint8_t *payload, size_t len) {
  (void)ctx;
  (void)payload;
  (void)len;
}

static void count_close(void *ctx) {
  (*(unsigned *)ctx)++;
}

static struct ik_block_receiver make_receiver(unsigned *closes) {
  return (struct ik_block_receiver){.on_reply = on_reply, .on_close = count_close, .ctx = closes};
}

/* ---- pace ---- */

static void paces_block_requests(void **state) {
  uint64_t now_ms = 1000;
  uint64_t end_ms = now_ms + 1000;
  uint64_t until_ms;
  uint32_t id;
  unsigned sent = 0;
  (void)state;
  while (now_ms < end_ms) {
    int rc = ik_block_requests_ask(&blocks, &block, now_ms, &id, &until_ms);
    if (rc == IK_ENOT_CONNECTED) {
      sent++; /* counted all the same */
      continue;
    }
    assert_int_equal(rc, IK_EAGAIN);
    assert_true(until_ms > now_ms);
    now_ms = until_ms;
  }
  assert_true(sent >= 18 && sent <= 20);
}

/* Time that nobody used is not saved up beyond the first burst. */
static void a_rest_allows_no_larger_burst(void **state) {
  uint64_t until_ms;
  uint32_t id;
  (void)state;
  for (uint64_t now_ms = 1000; now_ms <= 100000; now_ms += 99000) {
    unsigned burst = 0;
    while (ik_block_requests_ask(&blocks, &block, now_ms, &id, &until_ms) != IK_EAGAIN)
      burst++;
    assert_int_equal(burst, 4);
  }
}

static void each_request_has_an_id_of_its_own(void **state) {
  uint64_t until_ms;
  uint32_t first, second;
  (void)state;
  ik_block_requests_ask(&blocks, &block, 1000, &first, &until_ms);
  ik_block_requests_ask(&blocks, &block, 1000, &second, &until_ms);
  assert_int_equal(second, first + 1);
}

/* ---- room ---- */

static void leaves_room_for_the_head_of_a_reply(void **state) {
  (void)state;
  size_t room = ik_block_requests_room(&blocks);
  assert_true(room > 1);
}

static void closed_it_has_no_room_and_asks_nothing(void **state) {
  uint64_t until_ms;
  uint32_t id;
  (void)state;
  close_line();
  assert_int_equal(ik_block_requests_room(&blocks), 0);
  assert_int_equal(ik_block_requests_ask(&blocks, &block, 1000, &id, &until_ms), IK_ECLOSED);
}

/* ---- receivers ---- */

static void receivers_come_and_go_in_any_order(void **state) {
  unsigned closes = 0;
  struct ik_block_receiver receivers[3];
  (void)state;
  for (size_t i = 0; i < COUNT(receivers); i++) {
    receivers[i] = make_receiver(&closes);
    assert_int_equal(ik_block_requests_open(&blocks, &receivers[i]), 0);
  }
  ik_block_requests_close(&blocks, &receivers[1]);
  ik_block_requests_close(&blocks, &receivers[2]);
  assert_ptr_equal(blocks.receivers, &receivers[0]);
  close_line();
  assert_int_equal(closes, 1); /* who was still there */
  assert_null(blocks.receivers);
  ik_block_requests_close(&blocks, &receivers[0]); /* closing has taken it off */
}

static void no_receiver_comes_once_it_is_closed(void **state) {
  unsigned closes = 0;
  struct ik_block_receiver receiver = make_receiver(&closes);
  (void)state;
  close_line();
  assert_int_equal(ik_block_requests_open(&blocks, &receiver), IK_ECLOSED);
  assert_null(blocks.receivers);
  assert_int_equal(closes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(paces_block_requests),
      TEST(a_rest_allows_no_larger_burst),
      TEST(each_request_has_an_id_of_its_own),
      TEST(leaves_room_for_the_head_of_a_reply),
      TEST(closed_it_has_no_room_and_asks_nothing),
      TEST(receivers_come_and_go_in_any_order),
      TEST(no_receiver_comes_once_it_is_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
