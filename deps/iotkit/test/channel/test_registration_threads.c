/*
 * Registrations on several threads side by side, each its own device: one thread drives each, and
 * another interrupts it and asks. Over a port that nobody listens on: what ends them is the refused
 * connection, or the interruption.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "iotkit_register.h"
#include "support/cm.h"
#include "support/tcp_peer.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 40

struct world {
  uint16_t port;
  iotkit_tls_t *tls;
};

static struct iotkit_register_options options_of(const struct caller *caller, char name[16]) {
  const struct world *world = caller->world;
  snprintf(name, 16, "device-%u", caller->number);
  return (struct iotkit_register_options){.host = "127.0.0.1",
                                          .port = world->port,
                                          .tls = world->tls,
                                          .product_key = "pk",
                                          .product_secret = "ps",
                                          .device_name = name};
}

static void wake(void *ctx) {
  (void)ctx;
}

static void register_now(struct caller *caller) {
  char name[16], detail[IOTKIT_DETAIL_MAX] = "";
  struct iotkit_credentials got;
  const struct iotkit_register_options options = options_of(caller, name);
  assert_int_equal(iotkit_register(&options, &got, detail), IK_ECONNECT);
}

static void *interrupt(void *arg) {
  iotkit_registration_interrupt(arg);
  return NULL;
}

static void wait_and_be_interrupted(struct caller *caller) {
  char name[16];
  iotkit_registration_t *registration;
  pthread_t other;
  const struct iotkit_register_options options = options_of(caller, name);
  assert_int_equal(iotkit_registration_new(&options, &registration, NULL), 0);
  assert_int_equal(pthread_create(&other, NULL, interrupt, registration), 0);
  int rc = iotkit_registration_wait(registration, UINT32_MAX);
  assert_int_equal(pthread_join(other, NULL), 0);
  if (rc == IK_EINTERRUPTED) rc = iotkit_registration_wait(registration, UINT32_MAX);
  assert_int_equal(rc, IK_ECONNECT);
  assert_int_equal(iotkit_registration_result(registration), rc);
  assert_non_null(strstr(iotkit_registration_detail(registration), "127.0.0.1"));
  assert_null(iotkit_registration_credentials(registration));
  iotkit_registration_free(registration);
}

static void step_once(struct caller *caller) {
  char name[16];
  iotkit_registration_t *registration;
  const struct iotkit_register_options options = options_of(caller, name);
  assert_int_equal(iotkit_registration_new(&options, &registration, NULL), 0);
  iotkit_registration_set_waker(registration, wake, caller);
  (void)iotkit_registration_step(registration, iotkit_now_ms());
  (void)iotkit_registration_fd(registration);
  (void)iotkit_registration_interest(registration);
  (void)iotkit_registration_deadline(registration);
  iotkit_registration_free(registration);
}

static void read_names(struct caller *caller) {
  struct iotkit_credentials got;
  (void)caller;
  assert_int_equal(iotkit_identity_read("{}", 2, &got, NULL), IK_EREGISTER_ANSWER);
}

static void side_by_side(void **state) {
  static const threads_call table[] = {register_now, wait_and_be_interrupted, step_once,
                                       read_names};
  const struct iotkit_tls_options deferred = {.deferred = true};
  struct world world = {.port = peer_free_port(4)};
  (void)state;
  assert_int_equal(iotkit_tls_new(&deferred, &world.tls, NULL), 0);
  threads_run("registration", &world, table, COUNT(table), CALLERS, CALLS, NULL);
  iotkit_tls_unref(world.tls);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(side_by_side)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
