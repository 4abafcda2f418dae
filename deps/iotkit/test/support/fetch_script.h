/*
 * fetch_script.h - the rig of the fetch loop's tests: a fetch over a source that follows a script.
 * Each test program has one, so everything is static and stands here.
 */
#ifndef TEST_FETCH_SCRIPT_H
#define TEST_FETCH_SCRIPT_H

#include "download/fetch.h"

#include <stdio.h>
#include <string.h>

#include "alink/notice.h"
#include "support/cm.h"

#define SIZE 10

enum action {
  GIVE,        /* hands out `value` bytes, or as many as there is room for */
  GIVE_BEYOND, /* likewise, but after a gap */
  BEGIN_AGAIN, /* the next byte is the first again */
  HIDE_END,    /* all bytes may be there, the end of the body is not */
  END,         /* done */
  FAIL,        /* fails with the error `value` */
  RETRY,       /* a try has failed with the error `value` */
  WAIT,        /* nothing can be done; the wait returns `value` */
  INTERRUPT,   /* another thread interrupts, pauses or aborts */
  PAUSE,
  ABORT
};

struct line {
  enum action action;
  int value;
};

struct fake_source {
  struct ik_source face; /* first: a pointer to it is one to the whole */
  const struct line *script;
  size_t lines;
  struct ik_source_status status;
  unsigned advances, waits, pauses, ticks, ends, frees;
  uint64_t waited_until_ms; /* of the last wait */
  uint64_t extended_ms;
  uint64_t paused_ms;
};

static struct fake_source source;
static struct ik_fetch_setup setup_of;
static struct ik_control control;
static struct ik_running_digest digest;
static struct ik_fetch fetch;
static uint8_t buf[SIZE];
static struct ik_call call; /* the last one */

/* ---- the source ---- */

static void hand_out(struct ik_call *to, int len, uint64_t offset) {
  size_t room = to->len - to->got;
  size_t n = (size_t)len < room ? (size_t)len : room;
  memcpy(to->buf + to->got, &"0123456789"[source.status.offset], n);
  source.status.offset += n;
  to->outlet->hand_out(to->outlet->ctx, to, offset, n);
}

static bool advance(struct ik_source *face, struct ik_call *to, uint64_t *until_ms) {
  (void)face;
  source.advances++;
  assert_true(*until_ms == to->deadline_ms);
  if (source.lines == 0 || source.script->action == WAIT) return false;
  const struct line line = *source.script++;
  source.lines--;
  switch (line.action) {
  case GIVE:
    hand_out(to, line.value, source.status.offset);
    break;
  case GIVE_BEYOND:
    hand_out(to, line.value, source.status.offset + 1);
    break;
  case BEGIN_AGAIN:
    source.status.offset = 0;
    break;
  case HIDE_END:
    source.status.end_missing = true;
    break;
  case END:
    source.status.state = IK_SOURCE_DONE;
    break;
  case FAIL:
    source.status.state = IK_SOURCE_FAILED;
    source.status.error = line.value;
    source.status.detail = "as scripted";
    break;
  case RETRY:
    source.status.waits++;
    source.status.attempt++;
    source.status.error = line.value;
    source.status.detail = "as scripted";
    source.status.retry_ms = to->now_ms + 700;
    break;
  case INTERRUPT:
    ik_control_interrupt(&control);
    break;
  case PAUSE:
    ik_control_set_paused(&control, true, 1000);
    break;
  default:
    ik_control_finish(&control, IOTKIT_JOB_FAILED, IK_EABORTED, "cancelled");
  }
  return true;
}

static int wait(struct ik_source *face, struct ik_call *to, uint64_t until_ms) {
  (void)face;
  source.waits++;
  source.waited_until_ms = until_ms;
  if (source.lines == 0) {
    if (until_ms == UINT64_MAX) fail_msg("the script is over, and the call would wait for ever");
    to->now_ms = until_ms;
    return 0;
  }
  source.lines--;
  return (source.script++)->value;
}

static int wait_while_paused(struct ik_source *face, struct ik_call *to) {
  (void)face;
  source.pauses++;
  to->now_ms += 5;
  return 0;
}

static void tick(struct ik_source *face, uint64_t now_ms) {
  (void)face;
  (void)now_ms;
  source.ticks++;
}

static void extend_deadlines(struct ik_source *face, uint64_t away_ms) {
  (void)face;
  source.extended_ms += away_ms;
}

static void count_pause(struct ik_source *face, uint64_t paused_ms) {
  (void)face;
  source.paused_ms += paused_ms;
}

static void end_call(struct ik_source *face) {
  (void)face;
  source.ends++;
}

static void status(const struct ik_source *face, struct ik_source_status *out) {
  (void)face;
  *out = source.status;
}

static void free_source(struct ik_source *face) {
  assert_ptr_equal(face, &source.face);
  source.frees++;
}

/* ---- the rig ---- */

/* What opening the source fails with; 0: it does not. */
static int open_error;

static int open_script(void *ctx, uint64_t offset, uint64_t now_ms, struct ik_source **out,
                       char *detail) {
  (void)ctx;
  (void)now_ms;
  if (open_error != 0) return ik_refuse(detail, open_error, "no such source");
  assert_int_equal(offset, atomic_load(&control.received));
  *out = &source.face;
  return 0;
}

static int setup(void **state) {
  (void)state;
  setup_of = (struct ik_fetch_setup){0};
  open_error = 0;
  control = (struct ik_control){0};
  digest = (struct ik_running_digest){0};
  assert_int_equal(ik_fetch_config_new(NULL, &setup_of.config, NULL), 0);
  assert_int_equal(ik_control_init(&control), 0);
  assert_int_equal(ik_running_digest_init(&digest, IOTKIT_DIGEST_MD5), 0);
  setup_of.announcement.upgrade.size = SIZE;
  ik_fetch_init(&fetch, &setup_of, &control, &digest, open_script, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  ik_fetch_close(&fetch);
  ik_running_digest_deinit(&digest);
  ik_control_deinit(&control);
  ik_fetch_config_unref(setup_of.config);
  return 0;
}

/* A fetch that has begun, whose source goes on by the script. */
static void follow(const struct line *script, size_t lines) {
  static const struct ik_source_ops operations = {
      .advance = advance,
      .wait = wait,
      .wait_while_paused = wait_while_paused,
      .tick = tick,
      .extend_deadlines = extend_deadlines,
      .count_pause = count_pause,
      .end_call = end_call,
      .status = status,
      .free = free_source,
  };
  source = (struct fake_source){.face = {&operations}, .script = script, .lines = lines};
  fetch.source = &source.face;
  fetch.last_ms = ik_port_now_ms();
  ik_control_begin(&control, fetch.last_ms);
}

#define FOLLOW(...)                                                                                \
  do {                                                                                             \
    static const struct line script[] = {__VA_ARGS__};                                             \
    follow(script, COUNT(script));                                                                 \
  } while (0)

static int64_t run_until(size_t len, uint64_t deadline_ms) {
  call = (struct ik_call){.buf = buf, .len = len, .now_ms = fetch.last_ms};
  call.deadline_ms = deadline_ms;
  return ik_fetch_run(&fetch, &call);
}

static int64_t run(size_t len) {
  return run_until(len, UINT64_MAX);
}

/* A call that may not wait. */
static int64_t run_now(size_t len) {
  return run_until(len, 0);
}

static void assert_ended(enum iotkit_job_state state, int error) {
  assert_int_equal(ik_control_state(&control), state);
  assert_int_equal(ik_control_error(&control, NULL), error);
  assert_int_equal(source.frees, 1);
  assert_null(fetch.source);
}

static void assert_goes_on(void) {
  assert_int_equal(ik_control_state(&control), IOTKIT_JOB_FETCHING);
  assert_int_equal(source.frees, 0);
}

#endif
