/*
 * Where the SDK finds OpenSSL when it is not linked to it. Built once for each case:
 *   (nothing)      no OpenSSL in the program: the system's library is loaded
 *   TEST_PROCESS   the program itself is linked to OpenSSL: its symbols are taken
 *   TEST_DECOY     the program exports something else under OpenSSL's names: the system's library,
 * and none of that is called TEST_NONE      there is none at all The server is another program, so
 * that this one decides what is in it. Its path is the first argument.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iot_export.h"
#include "iot_export_mqtt.h"
#include "iotkit_verify.h"
#include "net/transport.h"
#include "support/cmocka_all.h"
#include "support/drive.h"
#include "support/tcp_peer.h"

extern char **environ;
static char *peer_path;

#if defined(TEST_PROCESS)
extern int SSL_CTX_new(void);
int (*volatile keep_linked)(void) = SSL_CTX_new;
#elif defined(TEST_DECOY)
__attribute__((visibility("default"))) void *SSL_CTX_new(void *method);
__attribute__((visibility("default"))) int EVP_DigestInit_ex(void *ctx, void *type, void *engine);

void *SSL_CTX_new(void *method) {
  (void)method;
  abort();
}

int EVP_DigestInit_ex(void *ctx, void *type, void *engine) {
  (void)ctx;
  (void)type;
  (void)engine;
  abort();
}
#endif

struct peer {
  pid_t pid;
  int to;
  unsigned port;
  char ca[4096];
};

static void read_greeting(struct peer *peer, int fd) {
  char line[16];
  FILE *from = fdopen(fd, "r");
  assert_non_null(from);
  assert_non_null(fgets(line, sizeof line, from));
  peer->port = (unsigned)strtoul(line, NULL, 10);
  size_t n = fread(peer->ca, 1, sizeof peer->ca - 1, from);
  peer->ca[n] = '\0';
  fclose(from);
}

static struct peer start_peer(void) {
  struct peer peer = {0};
  int in[2], out[2];
  char *argv[] = {peer_path, NULL};
  posix_spawn_file_actions_t actions;
  assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  assert_int_equal(posix_spawn(&peer.pid, peer_path, &actions, NULL, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  peer.to = in[1];
  read_greeting(&peer, out[0]);
  return peer;
}

static void stop_peer(struct peer *peer) {
  int status = -1;
  close(peer->to);
  assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
  assert_int_equal(status, 0);
}

static void check_source(void **state) {
  (void)state;
  const char *source = iotkit_tls_source();
#if defined(TEST_NONE)
  assert_null(source);
#elif defined(TEST_PROCESS)
  assert_string_equal(source, "process");
#else
  assert_non_null(source);
  assert_true(strcmp(source, "libssl.so.3") == 0 || strcmp(source, "libssl.so.1.1") == 0);
#endif
}

static struct rlimit take_descriptors(void) {
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  return before;
}

#if defined(TEST_PROCESS)
/* A list of CAs that cannot be read for now makes no context that would refuse everybody. */
static void a_full_table_of_descriptors_passes(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) != 0) skip();
  unsetenv("SSL_CERT_FILE"); /* what the user names there is read by OpenSSL, and by nobody else */
  unsetenv("SSL_CERT_DIR");
  struct rlimit before = take_descriptors();
  int rc = iotkit_tls_new(NULL, &tls, detail);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(rc, IK_ETLS);
  assert_non_null(strstr(detail, "/etc/ssl/certs/ca-certificates.crt"));
  assert_int_equal(iotkit_tls_new(NULL, &tls, detail), 0);
  iotkit_tls_unref(tls);
}
#else
/*
 * Before anything else: no descriptor is free, so no library can be loaded. Nothing becomes plain,
 * and nothing is remembered.
 */
static void a_full_table_of_descriptors_passes(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  iotkit_keys_t *keys = NULL;
  struct rlimit before = take_descriptors();
  const char *source = iotkit_tls_source();
  int rc = iotkit_tls_new(NULL, &tls, detail);
  int keys_rc = iotkit_keys_new("x", 0, &keys, NULL);
  void *made = NULL;
  int setup = IOT_SetupConnInfo("a1", "d1", "secret", &made);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
#if defined(TEST_NONE)
  assert_int_equal(rc, IK_ETLS_UNAVAILABLE);
  assert_int_equal(keys_rc, IK_ETLS_UNAVAILABLE);
#else
  assert_int_equal(rc, IK_ETLS);
  assert_int_equal(keys_rc, IK_ETLS);
  assert_true(iotkit_error_retryable(rc));
  assert_non_null(strstr(detail, "could not be loaded"));
#endif
  assert_null(source);
  assert_int_equal(setup, SUCCESS_RETURN);
  const iotx_conn_info_t *info = made;
  assert_int_equal(info->port, 443);
  assert_non_null(info->pub_key);
  assert_non_null(strstr(info->client_id, "securemode=2"));
}
#endif

/* TLS is what a program gets that asks for nothing; without OpenSSL it gets an error. */
static void nothing_becomes_plain_unasked(void **state) {
  (void)state;
  int off = 0;
  void *made = NULL;
  assert_int_equal(IOT_SetupConnInfo("a1", "d1", "secret", &made), SUCCESS_RETURN);
  const iotx_conn_info_t *info = made;
  assert_int_equal(info->port, 443);
  assert_non_null(strstr(info->client_id, "securemode=2"));
#if defined(TEST_NONE)
  char host[] = "127.0.0.1";
  iotx_mqtt_param_t param = {.host = host,
                             .port = 443,
                             .client_id = info->client_id,
                             .username = info->username,
                             .password = info->password,
                             .pub_key = info->pub_key};
  assert_null(IOT_MQTT_Construct(&param));
#endif
  assert_int_equal(IOT_Ioctl(IOTX_IOCTL_SET_MQTT_TLS, &off), SUCCESS_RETURN);
  assert_int_equal(IOT_SetupConnInfo("a1", "d1", "secret", &made), SUCCESS_RETURN);
  info = made;
  assert_int_equal(info->port, 1883);
  assert_null(info->pub_key);
  assert_non_null(strstr(info->client_id, "securemode=3"));
}

static void digests_are_right(void **state) {
  (void)state;
  static const uint8_t expected[4] = {0xba, 0x78, 0x16, 0xbf};
  uint8_t out[IOTKIT_DIGEST_MAX];
  struct ik_digest *digest;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_SHA256, &digest), 0);
  assert_int_equal(ik_digest_update(digest, "abc", 3), 0);
  assert_int_equal(ik_digest_value(digest, out), 32);
  assert_memory_equal(out, expected, sizeof expected);
  ik_digest_free(digest);
}

static void check_tls(void **state) {
  (void)state;
  struct peer peer = start_peer();
  char detail[IOTKIT_DETAIL_MAX] = "", byte = 0;
  struct iotkit_tls_options options = {.ca = peer.ca};
  iotkit_tls_t *tls;
  int rc = iotkit_tls_new(&options, &tls, detail);
#if defined(TEST_NONE)
  assert_int_equal(rc, IK_ETLS_UNAVAILABLE);
  assert_non_null(strstr(detail, "OpenSSL"));
  (void)byte;
#else
  struct ik_transport *transport;
  struct ik_dial how = {
      .host = "127.0.0.1", .port = (uint16_t)peer.port, .tls = tls, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(rc, 0);
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, detail), 0);
  rc = drive_open(transport, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  assert_int_equal(drive_write_all(transport, "x", 1, detail), 0);
  assert_int_equal(drive_read_all(transport, &byte, 1, detail), 0);
  assert_int_equal(byte, 'x');
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  /* And it does verify: the same server is refused by the system's store. */
  assert_int_equal(iotkit_tls_new(NULL, &tls, detail), 0);
  how.tls = tls;
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, detail), 0);
  assert_int_equal(drive_open(transport, detail), IK_ETLS_CERTIFICATE);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
#endif
  stop_peer(&peer);
}

static void plain_tcp_works(void **state) {
  (void)state;
  char byte = 0;
  uint16_t port;
  struct ik_transport *transport;
  int listener = peer_listen(4, &port);
  struct ik_dial how = {.host = "127.0.0.1", .port = port, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, NULL), 0);
  assert_int_equal(drive_open(transport, NULL), 0);
  int peer = peer_accept(listener);
  assert_true(peer_write(peer, "y", 1));
  assert_int_equal(drive_read_all(transport, &byte, 1, NULL), 0);
  assert_int_equal(byte, 'y');
  transport->ops->close(transport);
  close(peer);
  close(listener);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_full_table_of_descriptors_passes),
      cmocka_unit_test(nothing_becomes_plain_unasked),
      cmocka_unit_test(check_source),
      cmocka_unit_test(digests_are_right),
      cmocka_unit_test(check_tls),
      cmocka_unit_test(plain_tcp_works),
  };
  if (argc != 2) return 2;
  peer_path = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}
