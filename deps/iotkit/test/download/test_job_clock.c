/* A device that has no battery for its clock: at boot it is 1970, and no certificate is valid yet.
 * A download is tried until the time has come. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "iotkit_ota.h"
#include "support/certs.h"
#include "support/job_run.h"
#include "support/tls_front.h"

#define BOOT_S 83

static atomic_bool is_set; /* the clock */
static uint8_t image[JOB_SIZE];

__attribute__((visibility("default"))) time_t time(time_t *out);

/* Stands between OpenSSL and the system's clock. */
time_t time(time_t *out) {
  struct timespec now = {.tv_sec = BOOT_S};
  if (atomic_load(&is_set)) syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

struct world {
  struct test_ca *ca;
  struct test_cert cert;
  struct http_server *server;
  struct tls_front *front;
};

/* Certificates are made while the clock is right. */
static struct world open_world(void) {
  struct world world;
  atomic_store(&is_set, true);
  world.ca = test_ca_new("test");
  world.cert = test_ca_issue(world.ca, "IP:127.0.0.1", -60, 3600);
  world.server = http_server_start(job_serve_well, NULL);
  world.front = tls_front_start(http_server_port(world.server), world.cert.cert, world.cert.key);
  atomic_store(&is_set, false);
  return world;
}

static void close_world(struct world *world) {
  tls_front_stop(world->front);
  http_server_stop(world->server);
  test_cert_free(&world->cert);
  test_ca_free(world->ca);
}

static iotkit_job_t *job_of(const struct world *world, struct iotkit_fetch_options *options) {
  const struct iotkit_tls_options tls_options = {.ca = test_ca_pem(world->ca)};
  assert_int_equal(iotkit_tls_new(&tls_options, &options->tls, NULL), 0);
  iotkit_job_t *job = job_make(tls_front_port(world->front), "/f", options);
  iotkit_tls_unref(options->tls);
  return job;
}

static void the_error_names_the_devices_time(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct world world = open_world();
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_of(&world, &options);
  assert_int_equal(job_fetch_all(job, image, sizeof(image)), IK_ETLS_NOT_YET_VALID);
  assert_int_equal(iotkit_job_error(job, detail), IK_ETLS_NOT_YET_VALID);
  assert_true(iotkit_error_retryable(IK_ETLS_NOT_YET_VALID));
  assert_non_null(strstr(detail, "not yet valid"));
  assert_non_null(strstr(detail, "1970-01-01T00:01:23Z"));
  iotkit_job_unref(job);
  close_world(&world);
}

static void it_is_tried_until_the_clock_is_set(void **state) {
  (void)state;
  uint64_t offset;
  struct world world = open_world();
  struct iotkit_fetch_options options = job_quick();
  options.retry_min_ms = 20;
  options.retry_max_ms = 20;
  options.max_retries = 1000;
  iotkit_job_t *job = job_of(&world, &options);
  for (int i = 0; i < 3; i++)
    assert_int_equal(iotkit_job_fetch(job, image, sizeof(image), 50, &offset), 0);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHING);
  atomic_store(&is_set, true);
  assert_int_equal(job_fetch_all(job, image, sizeof(image)), 0);
  job_assert_image(image);
  iotkit_job_unref(job);
  close_world(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_error_names_the_devices_time),
      cmocka_unit_test(it_is_tried_until_the_clock_is_set),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
