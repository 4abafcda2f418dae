/*
 * What any thread may do to a download: states, interrupts, pauses, and who may enter it.
 */
#include "download/control.h"

#include <pthread.h>
#include <sched.h>

#include "support/cm.h"

static struct ik_control control;

static int setup(void **state) {
  (void)state;
  control = (struct ik_control){0};
  return ik_control_init(&control);
}

static int teardown(void **state) {
  (void)state;
  ik_control_deinit(&control);
  return 0;
}

static void assert_end(enum iotkit_job_state state, int error, const char *detail) {
  char text[IOTKIT_DETAIL_MAX];
  assert_int_equal(ik_control_state(&control), state);
  assert_int_equal(ik_control_error(&control, text), error);
  assert_string_equal(text, detail);
  assert_int_equal(ik_control_error(&control, NULL), error);
}

/* ---- states ---- */

static void goes_from_ready_to_fetched(void **state) {
  (void)state;
  assert_end(IOTKIT_JOB_READY, 0, "");
  ik_control_begin(&control, 1);
  assert_end(IOTKIT_JOB_FETCHING, 0, "");
  ik_control_finish(&control, IOTKIT_JOB_FETCHED, 0, "");
  assert_end(IOTKIT_JOB_FETCHED, 0, "");
}

static void keeps_its_first_end(void **state) {
  (void)state;
  ik_control_begin(&control, 1);
  ik_control_finish(&control, IOTKIT_JOB_FAILED, IK_ETRUNCATED, "first");
  ik_control_finish(&control, IOTKIT_JOB_FAILED, IK_EABORTED, "second");
  ik_control_finish(&control, IOTKIT_JOB_FETCHED, 0, "");
  assert_end(IOTKIT_JOB_FAILED, IK_ETRUNCATED, "first");
}

static void a_download_that_was_fetched_does_not_fail(void **state) {
  (void)state;
  ik_control_finish(&control, IOTKIT_JOB_FETCHED, 0, "");
  ik_control_finish(&control, IOTKIT_JOB_FAILED, IK_EABORTED, "late");
  assert_end(IOTKIT_JOB_FETCHED, 0, "");
}

static void does_not_begin_after_an_abort(void **state) {
  (void)state;
  ik_control_finish(&control, IOTKIT_JOB_FAILED, IK_EABORTED, "cancelled");
  ik_control_begin(&control, 1);
  assert_end(IOTKIT_JOB_FAILED, IK_EABORTED, "cancelled");
}

static void begins_again_with_nothing_received(void **state) {
  (void)state;
  ik_control_begin(&control, 1);
  atomic_store(&control.received, 7);
  ik_control_finish(&control, IOTKIT_JOB_FETCHED, 0, "");
  ik_control_begin_again(&control);
  assert_end(IOTKIT_JOB_READY, 0, "");
  assert_int_equal(atomic_load(&control.received), 0);
}

/* ---- interrupts ---- */

static void an_interrupt_is_taken_once(void **state) {
  (void)state;
  assert_false(ik_control_is_interrupted(&control, true));
  ik_control_interrupt(&control);
  ik_control_interrupt(&control); /* two are one */
  assert_true(ik_control_is_interrupted(&control, false));
  assert_true(ik_control_is_interrupted(&control, true));
  assert_false(ik_control_is_interrupted(&control, false));
  assert_int_equal(ik_control_state(&control), IOTKIT_JOB_READY);
}

/* ---- pauses ---- */

static uint64_t paused_ms(void) {
  return atomic_load(&control.paused_ms);
}

static void adds_up_its_pauses(void **state) {
  (void)state;
  assert_false(ik_control_is_paused(&control));
  ik_control_set_paused(&control, true, 100);
  assert_true(ik_control_is_paused(&control));
  ik_control_set_paused(&control, true, 150); /* goes on */
  assert_int_equal(paused_ms(), 0);
  ik_control_set_paused(&control, false, 300);
  assert_false(ik_control_is_paused(&control));
  assert_int_equal(paused_ms(), 200);
  ik_control_set_paused(&control, false, 900); /* there was none */
  assert_int_equal(paused_ms(), 200);
  ik_control_set_paused(&control, true, 1000);
  ik_control_set_paused(&control, false, 1005);
  assert_int_equal(paused_ms(), 205);
}

static void a_pause_of_no_time_counts_nothing(void **state) {
  (void)state;
  ik_control_set_paused(&control, true, 100);
  ik_control_set_paused(&control, false, 100);
  ik_control_set_paused(&control, true, 100);
  ik_control_set_paused(&control, false, 99); /* two threads, each with its reading of the clock */
  assert_int_equal(paused_ms(), 0);
}

static void a_pause_before_the_beginning_counts_from_there(void **state) {
  (void)state;
  ik_control_set_paused(&control, true, 100);
  ik_control_begin(&control, 500);
  ik_control_set_paused(&control, false, 600);
  assert_int_equal(paused_ms(), 100);
}

/* ---- the wake ---- */

static bool signalled(uint32_t timeout_ms) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(control.wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, timeout_ms) > 0;
}

static void needs_no_wake_before_the_first_fetch(void **state) {
  (void)state;
  ik_control_wake(&control);
  ik_control_interrupt(&control);
  assert_null(control.wake);
  assert_int_equal(ik_control_make_wake(&control), 0);
  const struct ik_wake *wake = control.wake;
  assert_non_null(wake);
  assert_int_equal(ik_control_make_wake(&control), 0);
  assert_ptr_equal(control.wake, wake);
  assert_false(signalled(0));
}

static void wakes_for_interrupts_and_pauses(void **state) {
  (void)state;
  assert_int_equal(ik_control_make_wake(&control), 0);
  ik_control_interrupt(&control);
  assert_true(signalled(0));
  ik_wake_clear(control.wake);
  ik_control_set_paused(&control, true, 1);
  assert_true(signalled(0));
  ik_wake_clear(control.wake);
  ik_control_set_paused(&control, false, 2);
  assert_true(signalled(0));
}

static void *interrupt(void *arg) {
  ik_control_interrupt(arg);
  return NULL;
}

static void another_thread_ends_the_wait(void **state) {
  (void)state;
  pthread_t thread;
  assert_int_equal(ik_control_make_wake(&control), 0);
  assert_int_equal(pthread_create(&thread, NULL, interrupt, &control), 0);
  assert_true(signalled(UINT32_MAX));
  assert_true(ik_control_is_interrupted(&control, true));
  pthread_join(thread, NULL);
}

/* ---- entering ---- */

static void only_one_is_inside(void **state) {
  (void)state;
  assert_true(ik_control_enter(&control));
  assert_false(ik_control_enter(&control));
  ik_control_leave(&control);
}

static void what_a_fetch_fixes_changes_before_it_alone(void **state) {
  (void)state;
  assert_int_equal(ik_control_lock_ready(&control), 0);
  ik_control_unlock(&control);
  assert_true(ik_control_enter(&control));
  assert_int_equal(ik_control_lock_ready(&control), IK_EINVALID_STATE);
  ik_control_begin(&control, 1);
  ik_control_leave(&control);
  assert_int_equal(ik_control_lock_ready(&control), IK_EINVALID_STATE);
  ik_control_lock(&control); /* which those have left unlocked */
  ik_control_unlock(&control);
}

static void *enter_once(void *arg) {
  assert_true(ik_control_enter(&control));
  *(int *)arg += 1;
  ik_control_leave(&control);
  return NULL;
}

/* A change that another thread makes never turns a fetch away: it waits. */
static void a_fetch_waits_for_a_change(void **state) {
  (void)state;
  pthread_t thread;
  int changed = 0;
  assert_int_equal(ik_control_lock_ready(&control), 0);
  assert_int_equal(pthread_create(&thread, NULL, enter_once, &changed), 0);
  changed = 1;
  ik_control_unlock(&control);
  pthread_join(thread, NULL);
  assert_int_equal(changed, 2);
}

#define ROUNDS 500

static unsigned inside; /* no atomic: whoever is inside owns it */

static void *enter_often(void *arg) {
  (void)arg;
  for (unsigned i = 0; i < ROUNDS; i++) {
    while (!ik_control_enter(&control))
      sched_yield();
    inside++;
    ik_control_leave(&control);
  }
  return NULL;
}

static void threads_take_turns(void **state) {
  (void)state;
  pthread_t threads[4];
  inside = 0;
  for (size_t i = 0; i < COUNT(threads); i++)
    assert_int_equal(pthread_create(&threads[i], NULL, enter_often, NULL), 0);
  for (size_t i = 0; i < COUNT(threads); i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(inside, COUNT(threads) * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(goes_from_ready_to_fetched),
      TEST(keeps_its_first_end),
      TEST(a_download_that_was_fetched_does_not_fail),
      TEST(does_not_begin_after_an_abort),
      TEST(begins_again_with_nothing_received),
      TEST(an_interrupt_is_taken_once),
      TEST(adds_up_its_pauses),
      TEST(a_pause_of_no_time_counts_nothing),
      TEST(a_pause_before_the_beginning_counts_from_there),
      TEST(needs_no_wake_before_the_first_fetch),
      TEST(wakes_for_interrupts_and_pauses),
      TEST(another_thread_ends_the_wait),
      TEST(only_one_is_inside),
      TEST(what_a_fetch_fixes_changes_before_it_alone),
      TEST(a_fetch_waits_for_a_change),
      TEST(threads_take_turns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
