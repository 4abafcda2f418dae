/*
 * The race of addresses on a clock of the test's: opening.c is built in here with a resolver that
 * gives the addresses the test wants, which carry ports of their own; the sockets are real. Each
 * test runs with and without a pollable poller.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/black_hole.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

static struct ik_address resolved[IK_ADDRESSES_MAX];
static size_t resolved_count;
static bool resolver_done;
static bool has_poller_fd;
static struct ik_wake *resolver_wake;

static int fake_start(const char *host, uint16_t port, struct ik_lookup **out) {
  (void)host;
  (void)port;
  *out = (struct ik_lookup *)resolved;
  return 0;
}

static int fake_fd(const struct ik_lookup *lookup) {
  (void)lookup;
  return ik_wake_fd(resolver_wake);
}

static int fake_result(struct ik_lookup *lookup, struct ik_address *out, size_t cap, char *detail) {
  (void)lookup;
  (void)detail;
  assert_in_range(resolved_count, 1, cap);
  if (!resolver_done) return IK_EAGAIN;
  memcpy(out, resolved, resolved_count * sizeof *out);
  return (int)resolved_count;
}

static void fake_free(struct ik_lookup *lookup) {
  (void)lookup;
}

static int fake_poller_fd(const struct ik_poller *poller) {
  return has_poller_fd ? ik_poller_fd(poller) : -1;
}

#define ik_lookup_start fake_start
#define ik_lookup_fd fake_fd
#define ik_lookup_result fake_result
#define ik_lookup_free fake_free
#define ik_poller_fd fake_poller_fd
#define ik_opening test_opening
#define ik_opening_new test_opening_new
#define ik_opening_free test_opening_free
#define ik_opening_step test_opening_step
#define ik_opening_fd test_opening_fd
#define ik_opening_interest test_opening_interest
#define ik_opening_deadline test_opening_deadline
#define ik_opening_describe test_opening_describe
#include "net/opening.c"

#define START 1000000

static struct black_hole hole;

static void resolve_to(const uint16_t *ports, size_t count) {
  resolved_count = count;
  resolver_done = true;
  for (size_t i = 0; i < count; i++)
    assert_true(ik_address_parse("127.0.0.1", ports[i], &resolved[i]));
}

static struct test_opening *begin(void) {
  struct test_opening *opening;
  assert_int_equal(test_opening_new("device.example", 1, &opening, NULL), 0);
  return opening;
}

static bool is_ready(const struct test_opening *opening) {
  struct ik_pollfd fd = {.fd = test_opening_fd(opening),
                         .interest = test_opening_interest(opening)};
  return ik_port_poll(&fd, 1, TEST_LIMIT_MS) == 1;
}

static void the_lookup_is_waited_for(void **state) {
  (void)state;
  const uint16_t ports[] = {peer_free_port(4)};
  resolve_to(ports, 1);
  resolver_done = false;
  struct test_opening *opening = begin();
  assert_int_equal(test_opening_step(opening, START, NULL), IK_EAGAIN);
  assert_int_equal(test_opening_fd(opening), ik_wake_fd(resolver_wake));
  assert_int_equal(test_opening_interest(opening), IOTKIT_READ);
  assert_true(test_opening_deadline(opening) == UINT64_MAX);
  test_opening_free(opening);
}

static void a_silent_address_costs_one_head_start(void **state) {
  (void)state;
  uint16_t good;
  int listener = peer_listen(4, &good);
  const uint16_t ports[] = {hole.port, hole.port, good};
  resolve_to(ports, 3);
  struct test_opening *opening = begin();
  assert_int_equal(test_opening_step(opening, START, NULL), IK_EAGAIN);
  assert_int_equal(test_opening_deadline(opening), START + 250);
  assert_int_equal(test_opening_interest(opening), IOTKIT_WRITE);
  assert_int_equal(test_opening_step(opening, START + 249, NULL), IK_EAGAIN);
  assert_int_equal(opening->attempt_count, 1);
  assert_int_equal(test_opening_step(opening, START + 250, NULL), IK_EAGAIN);
  assert_int_equal(opening->attempt_count, 2);
  assert_int_equal(test_opening_deadline(opening), has_poller_fd ? START + 500 : START + 300);
  int fd = test_opening_step(opening, START + 500, NULL);
  if (fd == IK_EAGAIN) {
    assert_true(is_ready(opening));
    fd = test_opening_step(opening, START + 501, NULL);
  }
  assert_true(fd >= 0);
  test_opening_free(opening);
  int peer = peer_accept(listener);
  assert_true(peer_write(peer, "x", 1)); /* the right one, and still open */
  char byte = 0;
  struct ik_pollfd readable = {.fd = fd, .interest = IOTKIT_READ};
  assert_int_equal(ik_port_poll(&readable, 1, TEST_LIMIT_MS), 1);
  assert_int_equal(ik_tcp_read(fd, &byte, 1), 1);
  ik_tcp_close(fd);
  close(peer);
  close(listener);
}

static void a_refused_address_costs_nothing(void **state) {
  (void)state;
  uint16_t good;
  int fd;
  int listener = peer_listen(4, &good);
  const uint16_t ports[] = {peer_free_port(4), peer_free_port(4), good};
  resolve_to(ports, 3);
  struct test_opening *opening = begin();
  while ((fd = test_opening_step(opening, START, NULL)) == IK_EAGAIN) /* the clock stands still */
    assert_true(is_ready(opening));
  assert_true(fd >= 0);
  ik_tcp_close(fd);
  test_opening_free(opening);
  close(listener);
}

/* The one that was begun first connects last: what stands for all sockets must report it. */
static void an_earlier_attempt_may_still_win(void **state) {
  (void)state;
  struct black_hole late;
  assert_true(black_hole_open(&late));
  const uint16_t ports[] = {late.port, hole.port};
  resolve_to(ports, 2);
  struct test_opening *opening = begin();
  assert_int_equal(test_opening_step(opening, START, NULL), IK_EAGAIN);
  assert_int_equal(test_opening_step(opening, START + 250, NULL), IK_EAGAIN);
  assert_int_equal(opening->attempt_count, 2);
  if (has_poller_fd) {
    assert_true(test_opening_deadline(opening) == UINT64_MAX);
    assert_int_equal(test_opening_interest(opening), IOTKIT_READ);
  } else {
    assert_int_equal(test_opening_deadline(opening), START + 300);
  }
  /* Room in the backlog: the kernel's next try, within a second or so, gets through. */
  int fd = IK_EAGAIN;
  for (size_t i = 0; i < late.count; i++)
    close(peer_accept(late.listener));
  for (uint64_t now = START + 300; fd == IK_EAGAIN; now += 50) {
    struct ik_pollfd one = {.fd = test_opening_fd(opening),
                            .interest = test_opening_interest(opening)};
    int ready = ik_port_poll(&one, 1, has_poller_fd ? TEST_LIMIT_MS : 50);
    assert_true(ready == 1 || !has_poller_fd);
    assert_true(now < START + TEST_LIMIT_MS);
    fd = test_opening_step(opening, now, NULL);
  }
  assert_true(fd >= 0);
  ik_tcp_close(fd);
  test_opening_free(opening);
  black_hole_close(&late);
}

static void when_all_fail_the_last_is_named(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", expected[IOTKIT_DETAIL_MAX];
  int rc;
  const uint16_t ports[] = {peer_free_port(4), peer_free_port(4)};
  resolve_to(ports, 2);
  struct test_opening *opening = begin();
  while ((rc = test_opening_step(opening, START, detail)) == IK_EAGAIN)
    assert_true(is_ready(opening));
  assert_int_equal(rc, IK_ECONNECT);
  snprintf(expected, sizeof expected, "device.example:1 (127.0.0.1:%u): Connection refused",
           ports[1]);
  assert_string_equal(detail, expected);
  assert_int_equal(test_opening_fd(opening), -1);
  test_opening_free(opening);
}

/* Undefined, it is the system's own again. */
#undef ik_poller_fd

static int with_poller(void **state) {
  struct ik_poller *poller;
  (void)state;
  if (ik_poller_new(&poller) != 0) return -1;
  has_poller_fd = ik_poller_fd(poller) >= 0;
  ik_poller_free(poller);
  return 0;
}

static int without_poller(void **state) {
  (void)state;
  has_poller_fd = false;
  return 0;
}

static int prepare(void **state) {
  (void)state;
  if (ik_wake_new(&resolver_wake) != 0) return -1;
  return black_hole_open(&hole) ? 0 : -1;
}

static int clean(void **state) {
  (void)state;
  black_hole_close(&hole);
  ik_wake_free(resolver_wake);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_lookup_is_waited_for, with_poller),
      cmocka_unit_test_setup(a_silent_address_costs_one_head_start, with_poller),
      cmocka_unit_test_setup(a_silent_address_costs_one_head_start, without_poller),
      cmocka_unit_test_setup(a_refused_address_costs_nothing, with_poller),
      cmocka_unit_test_setup(an_earlier_attempt_may_still_win, with_poller),
      cmocka_unit_test_setup(an_earlier_attempt_may_still_win, without_poller),
      cmocka_unit_test_setup(when_all_fail_the_last_is_named, with_poller),
  };
  return cmocka_run_group_tests(tests, prepare, clean);
}
