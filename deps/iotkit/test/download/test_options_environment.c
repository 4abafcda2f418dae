/*
 * Options read the environment when they are set. What a fetching thread makes of them later reads
 * nothing: there getenv() could meet a setenv() of the program's.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "download/options.h"
#include "support/cm.h"

#if defined(IK_OPENSSL_LINKED)

#include "support/tls_client.h"

extern char **environ;

static _Thread_local bool watched;
static unsigned looks; /* of a watched thread */
static char looked_for[64];

static char *look_up(const char *name) {
  const size_t len = strlen(name);
  if (watched) {
    looks++;
    snprintf(looked_for, sizeof(looked_for), "%s", name);
  }
  for (char **at = environ; *at != NULL; at++)
    if (strncmp(*at, name, len) == 0 && (*at)[len] == '=') return *at + len + 1;
  return NULL;
}

/* Instead of libc's, for OpenSSL too. */
char *getenv(const char *name);
char *secure_getenv(const char *name);

char *getenv(const char *name) {
  return look_up(name);
}

char *secure_getenv(const char *name) {
  return look_up(name);
}

static char ca_path[] = "/tmp/iotkit-ca-XXXXXX";

struct task {
  struct ik_fetch_config *config;
  uint16_t port;
  int rc;
  char detail[IOTKIT_DETAIL_MAX];
};

/* As a fetching thread: the first use of TLS. */
static void *make_and_connect(void *arg) {
  struct task *task = arg;
  struct ik_transport *transport = NULL;
  iotkit_tls_t *tls;
  watched = true;
  task->rc = ik_fetch_config_tls(task->config, &tls, task->detail);
  if (task->rc == 0) task->rc = tls_open_to("127.0.0.1", task->port, tls, &transport, task->detail);
  if (transport != NULL) transport->ops->close(transport);
  watched = false;
  return NULL;
}

static int connect_on_a_thread(struct ik_fetch_config *config) {
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct task task = {.config = config, .port = tls_server_port(server)};
  pthread_t thread;
  looks = 0;
  assert_int_equal(pthread_create(&thread, NULL, make_and_connect, &task), 0);
  pthread_join(thread, NULL);
  tls_server_stop(server);
  if (looks > 0) fail_msg("%u looks, the last for %s", looks, looked_for);
  return task.rc;
}

/* What was set when the options were is trusted, whatever it is later. */
static void places_of_cas_are_those_of_the_options(void **state) {
  (void)state;
  struct ik_fetch_config *trusting, *other;
  setenv("SSL_CERT_FILE", ca_path, 1);
  assert_int_equal(ik_fetch_config_new(NULL, &trusting, NULL), 0);
  unsetenv("SSL_CERT_FILE");
  assert_int_equal(ik_fetch_config_new(NULL, &other, NULL), 0);
  setenv("SSL_CERT_FILE", ca_path, 1);
  assert_int_equal(connect_on_a_thread(trusting), 0);
  assert_int_equal(connect_on_a_thread(other), IK_ETLS_CERTIFICATE);
  ik_fetch_config_unref(trusting);
  ik_fetch_config_unref(other);
}

/* OpenSSL's own variables too: it is found when options are set, and not in the other thread. */
static void a_missing_file_trusts_nobody(void **state) {
  (void)state;
  struct ik_fetch_config *config;
  setenv("SSL_CERT_FILE", "/nonexistent/ca.pem", 1);
  setenv("SSL_CERT_DIR", "/nonexistent", 1);
  assert_int_equal(ik_fetch_config_new(NULL, &config, NULL), 0);
  unsetenv("SSL_CERT_DIR");
  unsetenv("SSL_CERT_FILE");
  assert_int_equal(connect_on_a_thread(config), IK_ETLS_CERTIFICATE);
  ik_fetch_config_unref(config);
}

static int write_ca(void **state) {
  int rc = tls_make_certs(state);
  int fd = mkstemp(ca_path);
  const char *pem = test_ca_pem(tls_ca);
  if (rc != 0 || fd < 0 || write(fd, pem, strlen(pem)) < 0) return -1;
  return close(fd);
}

static int remove_ca(void **state) {
  unlink(ca_path);
  return tls_free_certs(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(places_of_cas_are_those_of_the_options),
      cmocka_unit_test(a_missing_file_trusts_nobody),
  };
  return cmocka_run_group_tests(tests, write_ca, remove_ca);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
