/*
 * registers.c - the registrations, and what has to hold after each.
 */
#include "faults/registers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/registration.h"
#include "support/fake_stream.h"

#define ANSWER                                                                                     \
  "\x20\x02\x00\x00"                                                                               \
  "\x30\x48\x00\x0d/ext/register{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":"    \
  "\"ds\"}"
#define STEPS_MAX 2000 /* of 50 ms: longer than a registration waits for a file */

static iotkit_tls_t *tls;
static bool was_kept; /* before the run */

void registers_begin(void) {
  const struct iotkit_tls_options deferred = {.deferred = true};
  if (iotkit_tls_new(&deferred, &tls, NULL) != 0) abort();
}

void registers_end(void) {
  iotkit_tls_unref(tls);
  tls = NULL;
}

/* The broker's part, in which nothing fails. */
static void answer(struct fake_wire *wire) {
  const bool was_watched = inject_watch(false);
  if (wire->connected && wire->read_error == IK_EAGAIN) {
    fake_say(wire, ANSWER, sizeof ANSWER - 1);
    wire->read_error = 0;
  }
  inject_watch(was_watched);
}

static int step_to_end(iotkit_registration_t *registration, struct fake_wire *wire) {
  uint64_t now_ms = 1000;
  int rc = IK_EAGAIN;
  for (int i = 0; i < STEPS_MAX && rc == IK_EAGAIN; i++) {
    rc = iotkit_registration_step(registration, now_ms);
    answer(wire);
    now_ms += 50;
  }
  return rc;
}

static int run(char *detail) {
  struct fake_wire wire;
  iotkit_registration_t *registration = NULL;
  const struct iotkit_register_options options = {.host = "broker",
                                                  .port = 1883,
                                                  .tls = tls,
                                                  .product_key = "pk",
                                                  .product_secret = "ps",
                                                  .device_name = "dn",
                                                  .credentials_file = "kept"};
  fake_wire_init(&wire);
  int rc = ik_registration_new_over(&options, fake_dial, &wire, &registration, detail);
  if (rc == 0) {
    rc = step_to_end(registration, &wire);
    ik_detail(detail, "%s", iotkit_registration_detail(registration));
    const struct iotkit_credentials *got = iotkit_registration_credentials(registration);
    if ((got != NULL) != (rc == 0)) trial_wrong("%d, with and without credentials", rc);
    if (got != NULL && strcmp(got->device_secret, "ds") != 0) trial_wrong("another secret");
    if (was_kept && wire.dials > 0) trial_wrong("it registered once more");
  }
  iotkit_registration_free(registration);
  fake_wire_free(&wire);
  return rc;
}

static void prepare_fresh(void) {
  (void)unlink("kept");
  (void)unlink("kept.part");
  was_kept = false;
}

static void prepare_kept(void) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  prepare_fresh();
  if (run(detail) != 0) trial_wrong("not kept: %s", detail);
  was_kept = true;
}

/* Of memory, or of files. */
static bool fits(int rc) {
  return rc == IK_ENO_MEMORY || (rc <= IK_EFILE && rc >= IK_EFILE_LOCKED);
}

static void check(const struct fault *fault, int rc, const char *detail) {
  char text[IOTKIT_DETAIL_MAX] = "";
  if (rc != 0 && (fault == NULL || !fits(rc))) trial_wrong("%s: %s", iotkit_error_name(rc), detail);
  was_kept = was_kept || rc == 0;
  rc = run(text);
  if (rc != 0) trial_wrong("the next run: %s: %s", iotkit_error_name(rc), text);
  if (access("kept.part", F_OK) == 0) trial_wrong("a part is left");
}

const struct scenario register_scenarios[REGISTERS] = {
    {"register", prepare_fresh, run, check, false},
    {"kept", prepare_kept, run, check, false},
};
