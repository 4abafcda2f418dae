/* poll and both pollers: the one of this system, and the fallback built in here beside it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

#define IK_POLLER_POLL 1
#define ik_poller fallback_poller
#define ik_poller_new fallback_new
#define ik_poller_free fallback_free
#define ik_poller_fd fallback_fd
#define ik_poller_set fallback_set
#define ik_poller_forget fallback_forget
#define ik_poller_wait fallback_wait
struct fallback_poller;
int fallback_new(struct fallback_poller **out);
void fallback_free(struct fallback_poller *poller);
int fallback_fd(const struct fallback_poller *poller);
int fallback_set(struct fallback_poller *poller, int fd, int interest, void *tag);
void fallback_forget(struct fallback_poller *poller, int fd);
int fallback_wait(struct fallback_poller *poller, struct ik_poller_event *events, size_t cap,
                  uint32_t timeout_ms);
#include "port/posix/poller_poll.c"
#undef ik_poller
#undef ik_poller_new
#undef ik_poller_free
#undef ik_poller_fd
#undef ik_poller_set
#undef ik_poller_forget
#undef ik_poller_wait

#define WAKES 40

struct any_poller {
  struct ik_poller *os;
  struct fallback_poller *fallback;
};

static int set(struct any_poller *p, const struct ik_wake *wake, int interest, void *tag) {
  if (p->os != NULL) return ik_poller_set(p->os, ik_wake_fd(wake), interest, tag);
  return fallback_set(p->fallback, ik_wake_fd(wake), interest, tag);
}

static void forget(struct any_poller *p, int fd) {
  if (p->os != NULL)
    ik_poller_forget(p->os, fd);
  else
    fallback_forget(p->fallback, fd);
}

static int wait_for(struct any_poller *p, struct ik_poller_event *events, size_t cap,
                    uint32_t timeout_ms) {
  if (p->os != NULL) return ik_poller_wait(p->os, events, cap, timeout_ms);
  return fallback_wait(p->fallback, events, cap, timeout_ms);
}

static void open_wakes(struct ik_wake *wakes[WAKES]) {
  for (size_t i = 0; i < WAKES; i++)
    assert_int_equal(ik_wake_new(&wakes[i]), 0);
}

static void check_poller(struct any_poller *p) {
  struct ik_wake *wakes[WAKES];
  struct ik_poller_event events[WAKES];
  int tags[WAKES];
  open_wakes(wakes);

  for (size_t i = 0; i < WAKES; i++)
    assert_int_equal(set(p, wakes[i], IOTKIT_READ, &tags[i]), 0);
  assert_int_equal(wait_for(p, events, WAKES, 0), 0);

  ik_wake_signal(wakes[7]);
  for (int again = 0; again < 2; again++) { /* level-triggered */
    assert_int_equal(wait_for(p, events, WAKES, TEST_LIMIT_MS), 1);
    assert_ptr_equal(events[0].tag, &tags[7]);
    assert_int_equal(events[0].ready, IOTKIT_READ);
  }

  int other = 0; /* another interest and another tag on the same descriptor */
  assert_int_equal(set(p, wakes[7], IOTKIT_READ | IOTKIT_WRITE, &other), 0);
  assert_int_equal(wait_for(p, events, WAKES, TEST_LIMIT_MS), 1);
  assert_ptr_equal(events[0].tag, &other);
  assert_int_equal(events[0].ready, IOTKIT_READ | IOTKIT_WRITE);

  assert_int_equal(set(p, wakes[7], 0, NULL), 0);
  assert_int_equal(set(p, wakes[7], 0, NULL), 0); /* no longer there: no error */
  assert_int_equal(wait_for(p, events, WAKES, 0), 0);

  /* All ready but few taken at a time: none starves. */
  bool seen[WAKES] = {false};
  for (size_t i = 0; i < WAKES; i++) {
    if (i != 7) ik_wake_signal(wakes[i]);
  }
  for (int got = 0; got < WAKES - 1;) {
    int n = wait_for(p, events, 4, TEST_LIMIT_MS);
    assert_in_range(n, 1, 4);
    for (int i = 0; i < n; i++) {
      size_t at = (size_t)((int *)events[i].tag - tags);
      assert_false(seen[at]);
      seen[at] = true;
      ik_wake_clear(wakes[at]);
      got++;
    }
  }

  /* Closed, reported, and the same number used again by another descriptor. */
  int fd = ik_wake_fd(wakes[0]);
  ik_wake_free(wakes[0]);
  forget(p, fd);
  assert_int_equal(ik_wake_new(&wakes[0]), 0);
  ik_wake_signal(wakes[0]);
  assert_int_equal(wait_for(p, events, WAKES, 0), 0);
  assert_int_equal(set(p, wakes[0], IOTKIT_READ, &tags[0]), 0);
  assert_int_equal(wait_for(p, events, WAKES, 0), 1);

  for (size_t i = 0; i < WAKES; i++)
    ik_wake_free(wakes[i]);
}

static void system_poller(void **state) {
  (void)state;
  struct any_poller p = {0};
  assert_int_equal(ik_poller_new(&p.os), 0);
  check_poller(&p);
  ik_poller_free(p.os);
  ik_poller_free(NULL);
}

static void fallback_poller_behaves_alike(void **state) {
  (void)state;
  struct any_poller p = {0};
  assert_int_equal(fallback_new(&p.fallback), 0);
  assert_int_equal(fallback_fd(p.fallback), -1);
  check_poller(&p);
  fallback_free(p.fallback);
  fallback_free(NULL);
}

static void a_poller_is_itself_pollable(void **state) {
  (void)state;
  struct ik_poller *poller;
  struct ik_wake *wake;
  assert_int_equal(ik_poller_new(&poller), 0);
  assert_int_equal(ik_wake_new(&wake), 0);
  struct ik_pollfd fd = {.fd = ik_poller_fd(poller), .interest = IOTKIT_READ};
  if (fd.fd < 0) skip();
  ik_poller_set(poller, ik_wake_fd(wake), IOTKIT_READ, NULL);
  assert_int_equal(ik_port_poll(&fd, 1, 0), 0);
  ik_wake_signal(wake);
  assert_int_equal(ik_port_poll(&fd, 1, TEST_LIMIT_MS), 1);
  ik_wake_free(wake);
  ik_poller_free(poller);
}

static void poll_takes_few_and_many(void **state) {
  (void)state;
  struct ik_wake *wakes[WAKES];
  struct ik_pollfd fds[WAKES + 1];
  open_wakes(wakes);
  for (size_t i = 0; i < WAKES; i++)
    fds[i] = (struct ik_pollfd){.fd = ik_wake_fd(wakes[i]), .interest = IOTKIT_READ, .ready = 99};
  fds[WAKES] = (struct ik_pollfd){.fd = -1, .interest = IOTKIT_READ, .ready = 99};
  assert_int_equal(ik_port_poll(fds, WAKES + 1, 0), 0);
  assert_int_equal(fds[0].ready, 0);
  assert_int_equal(fds[WAKES].ready, 0);
  ik_wake_signal(wakes[30]);
  assert_int_equal(ik_port_poll(fds, WAKES + 1, UINT32_MAX), 1);
  assert_int_equal(fds[30].ready, IOTKIT_READ);
  assert_int_equal(ik_port_poll(fds, 3, 0), 0);
  fds[2].interest = IOTKIT_READ | IOTKIT_WRITE;
  assert_int_equal(ik_port_poll(fds, 3, UINT32_MAX), 1);
  assert_int_equal(fds[2].ready, IOTKIT_WRITE);
  for (size_t i = 0; i < WAKES; i++)
    ik_wake_free(wakes[i]);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number) {
  (void)number;
  alarms++;
}

/* The timer comes again and again, for the first signal may arrive before the wait begins. */
static void a_signal_ends_a_wait_with_nothing(void **state) {
  (void)state;
  struct sigaction action = {.sa_handler = count_alarm}, before;
  struct itimerval timer = {.it_value = {.tv_usec = 2000}, .it_interval = {.tv_usec = 2000}};
  struct itimerval off = {0};
  struct ik_poller *poller;
  struct ik_poller_event event;
  assert_int_equal(ik_poller_new(&poller), 0);
  sigaction(SIGALRM, &action, &before);
  setitimer(ITIMER_REAL, &timer, NULL);
  assert_int_equal(ik_port_poll(NULL, 0, UINT32_MAX), 0);
  assert_int_equal(ik_poller_wait(poller, &event, 1, UINT32_MAX), 0);
  setitimer(ITIMER_REAL, &off, NULL);
  sigaction(SIGALRM, &before, NULL);
  assert_true(alarms >= 2);
  ik_poller_free(poller);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(system_poller),
      cmocka_unit_test(fallback_poller_behaves_alike),
      cmocka_unit_test(a_poller_is_itself_pollable),
      cmocka_unit_test(poll_takes_few_and_many),
      cmocka_unit_test(a_signal_ends_a_wait_with_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
