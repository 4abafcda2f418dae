/*
 * The client against a real mosquitto: TCP and TLS, QoS 0, 1 and 2, sessions,
 * refusal. The broker is started on free ports of loopback and ended by its process id. Exit code
 * 77: there is no mosquitto on this machine, or no OpenSSL linked to make its certificates with.
 */
#if !defined(IK_OPENSSL_LINKED)

int main(void) {
  return 77;
}

#else

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cm.h"

#include "exports/iot_export_mqtt.h"
#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/certs.h"
#include "support/tcp_peer.h"

#define SKIPPED 77

extern char **environ;

static const char *const brokers[] = {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto",
                                      "/opt/homebrew/sbin/mosquitto"};
static const char *const publishers[] = {"/usr/bin/mosquitto_pub", "/usr/local/bin/mosquitto_pub"};

/* The broker of all tests. */
static struct {
  pid_t pid;
  char dir[64];
  uint16_t tcp, tls, closed; /* ports; `closed` lets nobody in */
  struct test_ca *ca;
} broker;

static const char *installed(const char *const *paths, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (access(paths[i], X_OK) == 0) return paths[i];
  return NULL;
}

static void write_file(const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof(path), "%s/%s", broker.dir, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fputs(text, file) < 0, 0);
  assert_int_equal(fclose(file), 0);
}

static pid_t run(const char *path, char *const argv[]) {
  posix_spawn_file_actions_t actions;
  pid_t pid;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  assert_int_equal(posix_spawn(&pid, path, &actions, NULL, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

/* Of messages with QoS 2 above its limit of 20 mosquitto 2.0.11 forgets some when a connection drops. */
static void write_configuration(void) {
  char text[1024];
  struct test_cert cert = test_ca_issue(broker.ca, "DNS:localhost,IP:127.0.0.1", -60, 3600);
  write_file("cert.pem", cert.cert);
  write_file("key.pem", cert.key);
  test_cert_free(&cert);
  snprintf(text, sizeof(text),
           "per_listener_settings true\nuser root\nmax_inflight_messages 0\n"
           "listener %u 127.0.0.1\nallow_anonymous true\n"
           "listener %u 127.0.0.1\nallow_anonymous true\ncertfile %s/cert.pem\nkeyfile %s/key.pem\n"
           "listener %u 127.0.0.1\nallow_anonymous false\n",
           broker.tcp, broker.tls, broker.dir, broker.dir, broker.closed);
  write_file("mosquitto.conf", text);
}

static int start_broker(void **state) {
  (void)state;
  char path[128];
  snprintf(broker.dir, sizeof(broker.dir), "/tmp/iotkit-mosquitto-XXXXXX");
  assert_non_null(mkdtemp(broker.dir));
  broker.ca = test_ca_new("iotkit test CA");
  broker.tcp = peer_free_port(4);
  broker.tls = peer_free_port(4);
  broker.closed = peer_free_port(4);
  write_configuration();
  snprintf(path, sizeof(path), "%s/mosquitto.conf", broker.dir);
  char program[] = "mosquitto", option[] = "-c";
  char *argv[] = {program, option, path, NULL};
  broker.pid = run(installed(brokers, COUNT(brokers)), argv);
  return 0;
}

static int stop_broker(void **state) {
  (void)state;
  static const char *const files[] = {"mosquitto.conf", "cert.pem", "key.pem"};
  char path[128];
  int status;
  kill(broker.pid, SIGTERM);
  assert_int_equal(waitpid(broker.pid, &status, 0), broker.pid);
  for (size_t i = 0; i < COUNT(files); i++) {
    snprintf(path, sizeof(path), "%s/%s", broker.dir, files[i]);
    unlink(path);
  }
  rmdir(broker.dir);
  test_ca_free(broker.ca);
  return 0;
}

/* ---- a client that counts ---- */

struct counts {
  iotkit_mqtt_t *client;
  unsigned connected, waiting, closed, subscribed, published, messages, own;
  bool session_present;
  int error;
  uint8_t last_qos;
  size_t last_len;
  uint64_t sum; /* of the payload bytes */
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct counts *counts = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_STATE) {
    counts->connected += event->state == IOTKIT_MQTT_CONNECTED;
    counts->waiting += event->state == IOTKIT_MQTT_WAITING;
    counts->closed += event->state == IOTKIT_MQTT_CLOSED;
    if (event->state == IOTKIT_MQTT_CONNECTED) counts->session_present = event->session_present;
    if (event->error) counts->error = event->error;
  }
  counts->subscribed += event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0;
  counts->published += event->type == IOTKIT_MQTT_EVENT_PUBLISHED && event->error == 0;
  counts->own += event->type == IOTKIT_MQTT_EVENT_MESSAGE;
}

static void on_message(void *ctx, iotkit_mqtt_t *client,
                       const struct iotkit_mqtt_message *message) {
  struct counts *counts = ctx;
  (void)client;
  counts->messages++;
  counts->last_qos = message->qos;
  counts->last_len = message->payload_len;
  for (size_t i = 0; i < message->payload_len; i++)
    counts->sum += message->payload[i];
}

static iotkit_mqtt_t *client_new(struct counts *counts, const char *id, uint16_t port,
                                 bool persistent) {
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = port,
                                              .client_id = id,
                                              .persistent_session = persistent,
                                              .reconnect_min_ms =
                                                  10, /* the broker may still be starting */
                                              .reconnect_max_ms = 50,
                                              .on_event = on_event,
                                              .ctx = counts};
  assert_int_equal(iotkit_mqtt_new(&options, &counts->client, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(counts->client), 0);
  return counts->client;
}

static void until(struct counts *counts, const unsigned *counter, unsigned want) {
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  while (*counter < want && ik_port_now_ms() < end_ms)
    assert_int_equal(iotkit_mqtt_yield(counts->client, 1000), 0);
  assert_true(*counter >= want);
}

static void stop(struct counts *counts) {
  int rc = 0;
  iotkit_mqtt_stop(counts->client);
  while (rc == 0)
    rc = iotkit_mqtt_yield(counts->client, 1000);
  assert_int_equal(rc, IK_ECLOSED);
  assert_int_equal(counts->closed, 1);
  assert_int_equal(iotkit_mqtt_free(counts->client), 0);
}

/* ---- tests ---- */

static void exchange(struct counts *counts) {
  static const uint8_t big[200000] = {1, 2, 3};
  until(counts, &counts->connected, 1);
  assert_true(iotkit_mqtt_subscribe(counts->client, "/peer/+/x", 1, on_message, counts) > 0);
  until(counts, &counts->subscribed, 1);
  for (unsigned i = 0; i < 100; i++)
    assert_true(iotkit_mqtt_publish(counts->client, "/peer/1/x", "a", 1, 1, false) > 0);
  until(counts, &counts->published, 100);
  until(counts, &counts->messages, 100);
  assert_int_equal(counts->sum, 100 * 'a');
  assert_int_equal(counts->last_qos, 1);
  assert_int_equal(iotkit_mqtt_publish(counts->client, "/peer/2/x", big, sizeof(big), 0, false), 0);
  until(counts, &counts->messages, 101);
  assert_int_equal(counts->last_len, sizeof(big));
  assert_int_equal(counts->sum, 100 * 'a' + 6);
  assert_true(iotkit_mqtt_unsubscribe(counts->client, "/peer/+/x", on_message, counts) > 0);
  assert_int_equal(counts->waiting == 0 || counts->error == IK_ECONNECT, 1);
}

static void over_tcp(void **state) {
  (void)state;
  struct counts counts = {0};
  client_new(&counts, "tcp", broker.tcp, false);
  exchange(&counts);
  stop(&counts);
}

static void over_tls(void **state) {
  (void)state;
  struct counts counts = {0};
  iotkit_tls_t *tls;
  const struct iotkit_tls_options trust = {.ca = test_ca_pem(broker.ca)};
  assert_int_equal(iotkit_tls_new(&trust, &tls, NULL), 0);
  const struct iotkit_mqtt_options options = {.host = "localhost",
                                              .port = broker.tls,
                                              .tls = tls,
                                              .client_id = "tls",
                                              .reconnect_min_ms = 10,
                                              .reconnect_max_ms = 50,
                                              .on_event = on_event,
                                              .ctx = &counts};
  assert_int_equal(iotkit_mqtt_new(&options, &counts.client, NULL), 0);
  iotkit_tls_unref(tls);
  assert_int_equal(iotkit_mqtt_start(counts.client), 0);
  exchange(&counts);
  stop(&counts);
}

static void is_refused(void **state) {
  (void)state;
  struct counts counts = {0};
  client_new(&counts, "refused", broker.closed, false);
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  while (counts.error != IK_EMQTT_NOT_AUTHORIZED && ik_port_now_ms() < end_ms)
    assert_int_equal(iotkit_mqtt_yield(counts.client, 1000), 0);
  assert_int_equal(counts.error, IK_EMQTT_NOT_AUTHORIZED);
  assert_int_equal(counts.connected, 0);
  stop(&counts);
}

/*
 * What is published while a persistent session is away comes when it is back, without a new
 * subscription.
 */
static void a_session_is_kept(void **state) {
  (void)state;
  struct counts away = {0}, other = {0};
  client_new(&away, "session", broker.tcp, true);
  until(&away, &away.connected, 1);
  assert_false(away.session_present);
  assert_true(iotkit_mqtt_subscribe(away.client, "/session", 1, on_message, &away) > 0);
  until(&away, &away.subscribed, 1);
  assert_int_equal(iotkit_mqtt_free(away.client), 0); /* no DISCONNECT: the connection breaks */
  client_new(&other, "other", broker.tcp, false);
  until(&other, &other.connected, 1);
  for (unsigned i = 0; i < 5; i++)
    assert_true(iotkit_mqtt_publish(other.client, "/session", "b", 1, 1, false) > 0);
  until(&other, &other.published, 5);
  stop(&other);
  away = (struct counts){0};
  client_new(&away, "session", broker.tcp, true);
  until(&away, &away.connected, 1);
  assert_true(away.session_present);
  until(&away, &away.own, 5); /* nobody has subscribed in this client: the messages are its own */
  stop(&away);
}

/* Another process publishes with QoS 2, and goes. */
static pid_t publish_as(const char *id, const char *path, const char *topic) {
  char port[8], name[32], own[16];
  char program[] = "mosquitto_pub", p[] = "-p", h[] = "-h", host[] = "127.0.0.1", q[] = "-q",
       two[] = "2", t[] = "-t", m[] = "-m", text[] = "hello", i[] = "-i";
  snprintf(port, sizeof(port), "%u", broker.tcp);
  snprintf(name, sizeof(name), "%s", topic);
  snprintf(own, sizeof(own), "%s", id);
  char *argv[] = {program, p, port, h, host, i, own, q, two, t, name, m, text, NULL};
  return run(path, argv);
}

/*
 * A second connection with the same client id takes the first one's place: that one comes back, and
 * is subscribed again.
 */
static void comes_back_when_thrown_out(void **state) {
  (void)state;
  struct counts first = {0};
  const char *path = installed(publishers, COUNT(publishers));
  int status;
  if (!path) skip();
  client_new(&first, "same", broker.tcp, false);
  until(&first, &first.connected, 1);
  assert_true(iotkit_mqtt_subscribe(first.client, "/same", 1, on_message, &first) > 0);
  until(&first, &first.subscribed, 1);
  const pid_t pid = publish_as("same", path, "/other"); /* this process may have one of a name */
  until(&first, &first.waiting, 1);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  until(&first, &first.subscribed, 2);
  assert_true(iotkit_mqtt_publish(first.client, "/same", "c", 1, 1, false) > 0);
  until(&first, &first.messages, 1);
  stop(&first);
}

static void on_published_message(void *ctx, void *handle, iotx_mqtt_event_msg_pt msg) {
  struct counts *counts = ctx;
  const iotx_mqtt_topic_info_t *info = msg->msg;
  (void)handle;
  counts->messages++;
  counts->last_qos = info->qos;
  counts->last_len = info->payload_len;
}

/*
 * The published function may ask for QoS 2: then the broker delivers with all four packets, twice
 * on one connection.
 */
static void qos2_arrives_once(void **state) {
  (void)state;
  struct counts counts = {0};
  const char *path = installed(publishers, COUNT(publishers));
  int status;
  if (!path) skip();
  client_new(&counts, "wait", broker.tcp, false); /* the broker is up when this one is */
  until(&counts, &counts.connected, 1);
  stop(&counts);
  counts = (struct counts){0};
  iotx_mqtt_param_t param = {
      .port = broker.tcp, .host = "127.0.0.1", .client_id = "qos2", .clean_session = 1};
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(IOT_MQTT_Subscribe_Sync(handle, "/two", IOTX_MQTT_QOS2, on_published_message, &counts,
                                      TEST_LIMIT_MS) > 0);
  for (unsigned i = 1; i <= 2; i++) {
    const pid_t pid = publish_as("publisher", path, "/two");
    const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
    while (counts.messages < i && ik_port_now_ms() < end_ms)
      assert_int_equal(IOT_MQTT_Yield(handle, 1000), 0);
    assert_int_equal(counts.messages, i);
    assert_int_equal(counts.last_qos, 2);
    assert_int_equal(counts.last_len, 5);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
  }
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
}

/*
 * ---- QoS 2 both ways, exactly once ----
 *
 * A connection is broken only when it has brought new messages. They come after all that the broker repeats
 * at its beginning: mosquitto 2.0.11 whose repetition is broken off forgets which messages were received,
 * sends them a third time after their PUBREL, and no client can tell them from new ones.
 */

#define SERIES 300
#define PER_DROP 13

struct series {
  struct counts counts;
  unsigned seen[SERIES];
};

static void on_number(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  struct series *series = ctx;
  (void)client;
  assert_int_equal(message->payload_len, 2);
  const unsigned number = message->payload[0] * 256u + message->payload[1];
  assert_in_range(number, 0, SERIES - 1);
  series->seen[number]++;
  series->counts.messages++;
}

/* Whatever is on its way is lost. */
static void break_connection(const struct counts *counts) {
  const int fd = iotkit_mqtt_fd(counts->client);
  if (fd >= 0) (void)shutdown(fd, SHUT_RDWR); /* it may be gone already */
}

static void send_next(struct counts *sender, unsigned *next) {
  while (*next < SERIES) {
    const uint8_t number[] = {(uint8_t)(*next / 256), (uint8_t)*next};
    const int rc = iotkit_mqtt_publish(sender->client, "/series", number, 2, 2, false);
    if (rc == IK_EQUEUE_FULL) return;
    assert_true(rc > 0);
    ++*next;
  }
}

static void qos2_is_exactly_once_over_drops(void **state) {
  (void)state;
  struct counts sender = {0};
  struct series series = {0};
  unsigned next = 0, drops = 0, drop_at = PER_DROP;
  client_new(&series.counts, "taker", broker.tcp, true);
  until(&series.counts, &series.counts.connected, 1);
  assert_true(iotkit_mqtt_subscribe(series.counts.client, "/series", 2, on_number, &series) > 0);
  until(&series.counts, &series.counts.subscribed, 1);
  client_new(&sender, "sender", broker.tcp, true);
  until(&sender, &sender.connected, 1);
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  while ((sender.published < SERIES || series.counts.messages < SERIES) &&
         ik_port_now_ms() < end_ms) {
    send_next(&sender, &next);
    if (series.counts.messages >= drop_at) {
      break_connection(drops++ % 2 ? &series.counts : &sender);
      drop_at = series.counts.messages + PER_DROP;
    }
    assert_int_equal(iotkit_mqtt_yield(sender.client, 1), 0);
    assert_int_equal(iotkit_mqtt_yield(series.counts.client, 1), 0);
  }
  for (unsigned i = 0; i < SERIES; i++)
    assert_int_equal(series.seen[i], 1);
  assert_true(drops >= 4);
  stop(&sender);
  stop(&series.counts);
}

/* ---- a will ---- */

static void mourned_new(struct counts *counts) {
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = broker.tcp,
                                              .client_id = "mourned",
                                              .on_event = on_event,
                                              .ctx = counts,
                                              .will_topic = "/will",
                                              .will_payload = "gone",
                                              .will_payload_len = 4,
                                              .will_qos = 1};
  *counts = (struct counts){0};
  assert_int_equal(iotkit_mqtt_new(&options, &counts->client, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(counts->client), 0);
  until(counts, &counts->connected, 1);
}

static void a_will_is_for_those_who_do_not_say_goodbye(void **state) {
  (void)state;
  struct counts heir = {0}, mourned;
  client_new(&heir, "heir", broker.tcp, false);
  until(&heir, &heir.connected, 1);
  assert_true(iotkit_mqtt_subscribe(heir.client, "/will", 1, on_message, &heir) > 0);
  until(&heir, &heir.subscribed, 1);
  mourned_new(&mourned);
  stop(&mourned);
  assert_true(iotkit_mqtt_publish(heir.client, "/will", "", 0, 1, false) > 0);
  until(&heir, &heir.messages, 1);
  assert_int_equal(heir.last_len, 0); /* the goodbye came before it, and left no will */
  mourned_new(&mourned);
  assert_int_equal(iotkit_mqtt_free(mourned.client), 0);
  until(&heir, &heir.messages, 2);
  assert_int_equal(heir.last_len, 4);
  stop(&heir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(over_tcp),
      cmocka_unit_test(over_tls),
      cmocka_unit_test(is_refused),
      cmocka_unit_test(a_session_is_kept),
      cmocka_unit_test(comes_back_when_thrown_out),
      cmocka_unit_test(qos2_arrives_once),
      cmocka_unit_test(qos2_is_exactly_once_over_drops),
      cmocka_unit_test(a_will_is_for_those_who_do_not_say_goodbye),
  };
  if (!installed(brokers, COUNT(brokers))) {
    puts("skipped: mosquitto is not installed");
    return SKIPPED;
  }
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, start_broker, stop_broker);
}

#endif
