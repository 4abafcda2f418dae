/*
 * Requests for blocks and the receivers of their replies, over a client that is never connected.
 */
#include "channel/block_requests.h"

#include "channel/client_carrier.h"
#include "client/publish_rate.h"
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

/* ---- beside others on the connection ---- */

#define SENT_MAX 4096

/* A connection on a fake clock: notes when anything was published with QoS 0, and by how many. */
struct counted {
  struct ik_carrier face;
  struct ik_publish_rate rate;
  uint64_t now_ms;
  uint64_t sent_ms[SENT_MAX];
  size_t sent;
};

static void note(struct counted *counted) {
  assert_true(counted->sent < SENT_MAX);
  counted->sent_ms[counted->sent++] = counted->now_ms;
  ik_publish_rate_note(&counted->rate, counted->now_ms);
}

static int counted_publish(struct ik_carrier *face, const char *topic, const void *payload,
                           size_t len, uint8_t qos) {
  (void)topic;
  (void)payload;
  (void)len;
  assert_int_equal(qos, 0);
  note((struct counted *)face);
  return 0;
}

static size_t counted_recent(struct ik_carrier *face) {
  struct counted *counted = (struct counted *)face;
  return ik_publish_rate_recent(&counted->rate, counted->now_ms);
}

static const struct ik_carrier_ops counted_ops = {.publish = counted_publish,
                                                  .recent = counted_recent};

/* The most of any second. */
static size_t most_of(const struct counted *counted) {
  size_t most = 0;
  size_t from = 0;
  for (size_t i = 0; i < counted->sent; i++) {
    while (counted->sent_ms[i] - counted->sent_ms[from] >= 1000)
      from++;
    if (i - from + 1 > most) most = i - from + 1;
  }
  return most;
}

/* What lines ask for, each as often as it may, from `begin_ms` on. How many that are. */
static size_t ask_until(struct counted *counted, struct ik_block_requests *all, size_t count,
                        uint64_t end_ms) {
  const size_t before = counted->sent;
  uint64_t until_ms;
  uint32_t id;
  for (; counted->now_ms < end_ms; counted->now_ms++) {
    for (size_t i = 0; i < count; i++)
      while (ik_block_requests_ask(&all[i], &block, counted->now_ms, &id, &until_ms) == 0)
        continue;
  }
  return counted->sent - before;
}

/* The program may publish 20 a second until blocks begin: together they stay within that. */
static void the_first_second_leaves_room_for_what_went_before(void **state) {
  static struct counted counted;
  struct ik_line own;
  struct ik_block_requests all[1];
  (void)state;
  for (unsigned burst = 0; burst <= 20; burst += 5) {
    counted = (struct counted){.face = {&counted_ops}, .now_ms = 10000};
    assert_int_equal(ik_line_init(&own, &counted.face, "pk", "dn"), 0);
    ik_block_requests_init(&all[0], &own);
    for (unsigned i = 0; i < burst; i++, counted.now_ms += 10)
      note(&counted);
    const size_t asked = ask_until(&counted, all, 1, counted.now_ms + 5000);
    assert_in_range(most_of(&counted), 15, 20);
    assert_true(asked >= 5 * 15 - burst);
    ik_line_deinit(&own);
  }
}

/* The sub-devices of a gateway have a line each, and one connection. */
static void several_lines_share_what_their_connection_may(void **state) {
  static struct counted counted;
  struct ik_line lines[3];
  struct ik_block_requests all[3];
  (void)state;
  counted = (struct counted){.face = {&counted_ops}, .now_ms = 10000};
  for (size_t i = 0; i < COUNT(lines); i++) {
    assert_int_equal(ik_line_init(&lines[i], &counted.face, "pk", "dn"), 0);
    ik_block_requests_init(&all[i], &lines[i]);
  }
  const size_t asked = ask_until(&counted, all, COUNT(all), counted.now_ms + 10000);
  assert_in_range(most_of(&counted), 15, 22); /* none is kept waiting by the others for ever */
  assert_in_range(asked, 150, 220);
  for (size_t i = 0; i < COUNT(lines); i++)
    ik_line_deinit(&lines[i]);
}

/* To a broker of one's own the program may publish as much as it likes. */
static void blocks_go_on_where_nobody_keeps_to_the_rates(void **state) {
  static struct counted counted;
  struct ik_line own;
  struct ik_block_requests all[1];
  (void)state;
  counted = (struct counted){.face = {&counted_ops}, .now_ms = 10000};
  assert_int_equal(ik_line_init(&own, &counted.face, "pk", "dn"), 0);
  ik_block_requests_init(&all[0], &own);
  size_t asked = 0;
  for (unsigned i = 0; i < 300; i++) {
    for (unsigned j = 0; j < 5; j++)
      note(&counted);
    asked += ask_until(&counted, all, 1, counted.now_ms + 10);
  }
  assert_in_range(asked, 45, 60);
  ik_line_deinit(&own);
}

/* Others that publish as much as RECENT_MAX to RECENT_FREE a second do not keep blocks from going. */
static void however_much_others_publish_some_blocks_go(void **state) {
  static struct counted counted;
  struct ik_line own;
  struct ik_block_requests all[1];
  (void)state;
  counted = (struct counted){.face = {&counted_ops}, .now_ms = 10000};
  assert_int_equal(ik_line_init(&own, &counted.face, "pk", "dn"), 0);
  ik_block_requests_init(&all[0], &own);
  size_t asked = 0;
  for (unsigned i = 0; i < 300; i++) { /* 28 of others in a second */
    note(&counted);
    const size_t some = ask_until(&counted, all, 1, counted.now_ms + 35);
    if (i >= 100) asked += some; /* in 7 s, after the first burst */
  }
  assert_in_range(asked, 5, 7);
  ik_line_deinit(&own);
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
      cmocka_unit_test(the_first_second_leaves_room_for_what_went_before),
      cmocka_unit_test(several_lines_share_what_their_connection_may),
      cmocka_unit_test(blocks_go_on_where_nobody_keeps_to_the_rates),
      cmocka_unit_test(however_much_others_publish_some_blocks_go),
      TEST(leaves_room_for_the_head_of_a_reply),
      TEST(closed_it_has_no_room_and_asks_nothing),
      TEST(receivers_come_and_go_in_any_order),
      TEST(no_receiver_comes_once_it_is_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
