/* Handshakes on threads of their own: how many at once, in which order, and what becomes of those that wait for one. */
#include <pthread.h>
#include <stdbool.h>

#include "iotkit_core.h"

static unsigned refused; /* so many of the next threads cannot be had */

static int start_unless_refused(iotkit_thread_t **out, const char *name, size_t stack_bytes,
                                void (*run)(void *arg), void *arg) {
  *out = NULL;
  if (refused > 0) {
    refused--;
    return IK_ETHREAD;
  }
  return iotkit_thread_start(out, name, stack_bytes, run, arg);
}

#define iotkit_thread_start start_unless_refused
#include "port/openssl/tls_aside.c"
#undef iotkit_thread_start

#include "support/cm.h"

#define MOST (IK_TLS_ASIDE_MAX * 3)

/* What waits, each until it is let go. */
static struct one {
  struct ik_tls_aside *aside;
  bool has_begun;
  bool may_end;
} ones[MOST];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned begun, at_once, most_at_once;

static int wait_to_end(void *arg, char *detail) {
  struct one *one = arg;
  pthread_mutex_lock(&lock);
  one->has_begun = true;
  begun++;
  if (++at_once > most_at_once) most_at_once = at_once;
  pthread_cond_broadcast(&changed);
  while (!one->may_end)
    pthread_cond_wait(&changed, &lock);
  at_once--;
  pthread_mutex_unlock(&lock);
  ik_detail(detail, "number %d", (int)(one - ones));
  return -(int)(one - ones);
}

static int enter(void **state) {
  (void)state;
  for (size_t i = 0; i < MOST; i++)
    ones[i] = (struct one){0};
  begun = at_once = most_at_once = 0;
  return 0;
}

static void start(size_t i) {
  assert_int_equal(ik_tls_aside_start(wait_to_end, &ones[i], &ones[i].aside), 0);
}

static void let_go(size_t i) {
  pthread_mutex_lock(&lock);
  ones[i].may_end = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static void await_begun(unsigned count) {
  pthread_mutex_lock(&lock);
  while (begun < count)
    pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static bool has_begun(size_t i) {
  pthread_mutex_lock(&lock);
  const bool has = ones[i].has_begun;
  pthread_mutex_unlock(&lock);
  return has;
}

static void join(size_t i) {
  char detail[IOTKIT_DETAIL_MAX] = "", expected[IOTKIT_DETAIL_MAX];
  ik_detail(expected, "number %d", (int)i);
  assert_int_equal(ik_tls_aside_join(ones[i].aside, detail), -(int)i);
  assert_string_equal(detail, expected);
}

static void the_rest_waits_its_turn(void **state) {
  (void)state;
  for (size_t i = 0; i < MOST; i++)
    start(i);
  await_begun(IK_TLS_ASIDE_MAX);
  for (size_t i = 0; i < MOST; i++)
    assert_int_equal(ik_tls_aside_is_queued(ones[i].aside), i >= IK_TLS_ASIDE_MAX);
  for (size_t i = 0; i < MOST; i++) { /* one by one, so that the order shows */
    const size_t next = i + IK_TLS_ASIDE_MAX;
    if (next < MOST) assert_false(has_begun(next));
    let_go(i);
    join(i);
    if (next < MOST) await_begun((unsigned)next + 1);
    if (next < MOST) assert_true(has_begun(next));
  }
  assert_int_equal(most_at_once, IK_TLS_ASIDE_MAX);
}

static void one_that_waits_may_go(void **state) {
  (void)state;
  const size_t last = IK_TLS_ASIDE_MAX + 3;
  for (size_t i = 0; i <= last; i++)
    start(i);
  await_begun(IK_TLS_ASIDE_MAX);
  assert_int_equal(ik_tls_aside_join(ones[last - 2].aside, NULL), IK_EABORTED); /* in the middle */
  assert_int_equal(ik_tls_aside_join(ones[last].aside, NULL), IK_EABORTED);     /* the last */
  start(last);
  assert_int_equal(ik_tls_aside_join(ones[last - 3].aside, NULL), IK_EABORTED); /* the first */
  for (size_t i = 0; i < IK_TLS_ASIDE_MAX; i++) {
    let_go(i);
    join(i);
  }
  await_begun(IK_TLS_ASIDE_MAX + 2);
  assert_false(has_begun(last - 3));
  assert_false(has_begun(last - 2));
  let_go(last - 1);
  join(last - 1);
  let_go(last);
  join(last);
}

static void no_thread_is_an_error_if_none_runs(void **state) {
  (void)state;
  refused = 1;
  start(0);
  assert_true(ik_tls_aside_is_done(ones[0].aside));
  assert_int_equal(ik_tls_aside_join(ones[0].aside, NULL), IK_ETHREAD);
  start(1); /* a later one may have one */
  await_begun(1);
  let_go(1);
  join(1);
}

static void no_thread_is_a_wait_if_one_runs(void **state) {
  (void)state;
  start(0);
  await_begun(1);
  refused = 2;
  start(1);
  start(2);
  assert_true(ik_tls_aside_is_queued(ones[1].aside));
  assert_true(ik_tls_aside_is_queued(ones[2].aside));
  let_go(0);
  join(0);
  await_begun(3); /* both */
  for (size_t i = 1; i < 3; i++) {
    let_go(i);
    join(i);
  }
}

static void nobody_is_left_without_a_thread(void **state) {
  (void)state;
  start(0);
  await_begun(1);
  refused = 5; /* two as they start, and then the end of the only one that runs finds none */
  start(1);
  start(2);
  refused = 2;
  let_go(0);
  join(0);
  for (size_t i = 1; i < 3; i++) {
    assert_true(ik_tls_aside_is_done(ones[i].aside));
    assert_int_equal(ik_tls_aside_join(ones[i].aside, NULL), IK_ETHREAD);
  }
  assert_int_equal(begun, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_rest_waits_its_turn, enter),
      cmocka_unit_test_setup(one_that_waits_may_go, enter),
      cmocka_unit_test_setup(no_thread_is_an_error_if_none_runs, enter),
      cmocka_unit_test_setup(no_thread_is_a_wait_if_one_runs, enter),
      cmocka_unit_test_setup(nobody_is_left_without_a_thread, enter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
