/*
 * registration.c - one registration: a client that connects once, and what its events mean.
 *
 *   result       means                            what follows
 *   IK_EAGAIN    under way: not connected yet, or  the answer → 0; refused, lost, or out of time → an
 *                the answer is awaited             error
 *   0            the credentials are there         final
 *   an error     there will be none                final
 *
 * With a credentials file the client is not started before the file is known to be missing and ours to
 * make. Once the result is there the client is stopped; the registration has ended when it is CLOSED, so
 * that whoever signs in next does not meet the connection of before. All but `client` belongs to the
 * thread that drives it; its callbacks run on that thread.
 */
#include "channel/registration.h"

#include <stdlib.h>
#include <string.h>

#include "alink/registration.h"
#include "base/sized.h"
#include "base/wipe.h"
#include "channel/credentials_file.h"
#include "client/client.h"
#include "port/port.h"

#define ANSWER_TIMEOUT_DEFAULT_MS 10000
#define CONNECT_TIMEOUT_DEFAULT_MS 30000
#define LOOK_AGAIN_MS 50 /* at a file that another process is about to make */

struct iotkit_registration {
  /* fixed */
  iotkit_mqtt_t *client;
  enum iotkit_register_kind kind;
  uint32_t connect_timeout_ms;
  uint32_t answer_timeout_ms;
  struct ik_credentials_file *file; /* NULL: none */
  /* driver thread */
  int result;
  bool started; /* the client is */
  bool connected;
  bool closed;            /* the client is */
  uint64_t look_ms;       /* when to look at the file again; until `started` */
  uint64_t look_end_ms;   /* when to give that up; 0: not looked yet */
  uint64_t answer_end_ms; /* UINT64_MAX until it is connected */
  char detail[IOTKIT_DETAIL_MAX];
  struct iotkit_credentials asked; /* the names; empty with X509 */
  struct iotkit_credentials got;
};

/* ---- what happens ---- */

static void end(struct iotkit_registration *registration, int result, const char *detail) {
  if (registration->result != IK_EAGAIN) return;
  registration->result = result;
  if (result < 0)
    ik_detail(registration->detail, "%s", detail[0] ? detail : iotkit_strerror(result));
  ik_credentials_file_free(registration->file); /* others may look at it now */
  registration->file = NULL;
  (void)iotkit_mqtt_stop(registration->client);
}

/* Whether the answer is the one that was asked for; names that a certificate brings are all news. */
static int check_answer(struct iotkit_registration *registration, enum iotkit_register_kind kind,
                        char *detail) {
  const struct iotkit_credentials *asked = &registration->asked;
  const struct iotkit_credentials *got = &registration->got;
  if (registration->kind == IOTKIT_REGISTER_X509) return 0;
  if (strcmp(asked->product_key, got->product_key) != 0 ||
      strcmp(asked->device_name, got->device_name) != 0)
    return ik_refuse(detail, IK_EREGISTER_ANSWER, "the answer is for another device");
  if (kind == IOTKIT_REGISTER_X509)
    return ik_refuse(detail, IK_EREGISTER_ANSWER,
                     "the answer has neither deviceSecret nor deviceToken");
  return 0;
}

static void take_answer(struct iotkit_registration *registration,
                        const struct iotkit_mqtt_message *message) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  enum iotkit_register_kind kind;
  if (registration->result != IK_EAGAIN) return;
  if (!ik_register_is_answer((struct ik_str){message->topic, message->topic_len})) return;
  const struct ik_str payload = {(const char *)message->payload, message->payload_len};
  int rc = ik_register_read(payload, &registration->got, &kind, detail);
  if (rc == 0) rc = check_answer(registration, kind, detail);
  if (rc == 0 && registration->file)
    rc = ik_credentials_file_save(registration->file, &registration->got, detail);
  if (rc < 0) ik_wipe(&registration->got, sizeof registration->got);
  end(registration, rc, detail);
}

/* Why the client has closed, as an error of the registration. */
static int refusal(const struct iotkit_registration *registration, int error, const char **help) {
  const bool by_secret = registration->kind != IOTKIT_REGISTER_X509;
  *help = "";
  if (registration->connected) return IK_EREGISTER_NO_ANSWER;
  if (!by_secret) return error;
  switch (error) {
  case IK_EMQTT_CLIENT_ID:
    *help = "; a parameter of the registration is missing or malformed, or the instance is another";
    return error;
  case IK_EMQTT_CREDENTIALS:
  case IK_EMQTT_NOT_AUTHORIZED:
    *help =
        "; the product secret or the device name is wrong, dynamic registration is switched off "
        "for the product, or the device is activated already";
    return IK_EREGISTER_REFUSED;
  default:
    return error;
  }
}

static void take_closed(struct iotkit_registration *registration,
                        const struct iotkit_mqtt_event *event) {
  char detail[IOTKIT_DETAIL_MAX];
  const char *help;
  registration->closed = true;
  if (registration->result != IK_EAGAIN) return;
  const int error = event->error ? event->error : IK_ECONNECTION_CLOSED;
  const int result = refusal(registration, error, &help);
  ik_detail(detail, "%.100s%s", event->detail[0] ? event->detail : iotkit_strerror(error), help);
  end(registration, result, detail);
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct iotkit_registration *registration = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_MESSAGE) take_answer(registration, event->message);
  if (event->type != IOTKIT_MQTT_EVENT_STATE) return;
  if (event->state == IOTKIT_MQTT_CONNECTED) registration->connected = true;
  if (event->state == IOTKIT_MQTT_CLOSED) take_closed(registration, event);
}

static int start_client(struct iotkit_registration *registration, char *detail) {
  const int rc = iotkit_mqtt_start(registration->client);
  if (rc == IK_EMQTT_IN_USE)
    ik_detail(detail, "%s of %s", registration->asked.device_name, registration->asked.product_key);
  registration->started = rc == 0;
  return rc;
}

/* Before the client is started: what is kept already, or the right to register. */
static void look_at_file(struct iotkit_registration *registration, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (registration->started || registration->result != IK_EAGAIN) return;
  if (now_ms < registration->look_ms) return;
  if (registration->look_end_ms == 0)
    registration->look_end_ms =
        now_ms + registration->connect_timeout_ms + registration->answer_timeout_ms;
  int rc = ik_credentials_file_open(registration->file, &registration->asked, &registration->got,
                                    detail);
  if (rc == IK_EFILE_LOCKED && now_ms < registration->look_end_ms) {
    registration->look_ms = now_ms + LOOK_AGAIN_MS;
    return;
  }
  if (rc == 0) rc = start_client(registration, detail);
  if (registration->started) return;
  end(registration, rc < 0 ? rc : 0, detail);
}

/* After the client was driven: the time that the answer may take runs from the connection on. */
static void look_at_time(struct iotkit_registration *registration, uint64_t now_ms) {
  if (registration->connected && registration->answer_end_ms == UINT64_MAX)
    registration->answer_end_ms = now_ms + registration->answer_timeout_ms;
  if (now_ms >= registration->answer_end_ms)
    end(registration, IK_EREGISTER_NO_ANSWER, "no answer came in time");
}

/* When the registration itself has something to do. */
static uint64_t own_deadline(const struct iotkit_registration *registration) {
  if (registration->result != IK_EAGAIN) return UINT64_MAX;
  return registration->started ? registration->answer_end_ms : registration->look_ms;
}

static int outcome(const struct iotkit_registration *registration) {
  return registration->closed ? registration->result : IK_EAGAIN;
}

/* ---- life ---- */

static int make_client(struct iotkit_registration *registration,
                       const struct iotkit_register_options *options, ik_dial_fn dial,
                       void *dial_ctx, char *detail) {
  struct iotkit_sign_in sign;
  int rc = ik_register_sign(options, ik_port_random_u32(), &sign, detail);
  if (rc < 0) return rc;
  const struct iotkit_mqtt_options mqtt = {.host = options->host,
                                           .port = options->port,
                                           .tls = options->tls,
                                           .client_id = sign.client_id,
                                           .username = sign.username,
                                           .password = sign.password,
                                           .connect_timeout_ms = options->connect_timeout_ms,
                                           .no_reconnect = true,
                                           .on_event = on_event,
                                           .ctx = registration};
  rc = ik_mqtt_new_over(&mqtt, dial, dial_ctx, &registration->client, detail);
  ik_wipe(&sign, sizeof sign);
  return rc;
}

static int use_file(struct iotkit_registration *registration,
                    const struct iotkit_register_options *options, char *detail) {
  if (options->kind == IOTKIT_REGISTER_X509)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "credentials_file does not go with IOTKIT_REGISTER_X509");
  if (options->credentials_file[0] == '\0')
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "credentials_file is empty");
  registration->file = ik_credentials_file_new(options->credentials_file);
  return registration->file ? 0 : IK_ENO_MEMORY;
}

/* The names were checked when the sign-in was written: they fit. */
static void keep_names(struct iotkit_registration *registration,
                       const struct iotkit_register_options *options) {
  if (options->kind == IOTKIT_REGISTER_X509) return;
  memcpy(registration->asked.product_key, options->product_key, strlen(options->product_key));
  memcpy(registration->asked.device_name, options->device_name, strlen(options->device_name));
}

int ik_registration_new_over(const struct iotkit_register_options *given, ik_dial_fn dial,
                             void *dial_ctx, iotkit_registration_t **out, char *detail) {
  struct iotkit_register_options options;
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  if (!given) return ik_refuse(detail, IK_EINVALID_ARGUMENT, "options");
  int rc = IK_SIZED_READ(&options, given, detail);
  if (rc < 0) return rc;
  if (!options.tls)
    return ik_refuse(detail, IK_ETLS_REQUIRED, "tls: registrations are for TLS connections");
  struct iotkit_registration *registration = calloc(1, sizeof *registration);
  if (!registration) return IK_ENO_MEMORY;
  registration->kind = options.kind;
  registration->answer_timeout_ms =
      options.answer_timeout_ms ? options.answer_timeout_ms : ANSWER_TIMEOUT_DEFAULT_MS;
  registration->connect_timeout_ms =
      options.connect_timeout_ms ? options.connect_timeout_ms : CONNECT_TIMEOUT_DEFAULT_MS;
  registration->answer_end_ms = UINT64_MAX;
  registration->result = IK_EAGAIN;
  rc = make_client(registration, &options, dial, dial_ctx, detail);
  if (rc == 0) keep_names(registration, &options);
  if (rc == 0)
    rc = options.credentials_file ? use_file(registration, &options, detail)
                                  : start_client(registration, detail);
  if (rc < 0) {
    iotkit_registration_free(registration);
    return rc;
  }
  *out = registration;
  return 0;
}

int iotkit_registration_new(const struct iotkit_register_options *options,
                            iotkit_registration_t **out, char *detail) {
  return ik_registration_new_over(options, ik_net_dial, NULL, out, detail);
}

void iotkit_registration_free(iotkit_registration_t *registration) {
  if (!registration) return;
  (void)iotkit_mqtt_free(registration->client);
  ik_credentials_file_free(registration->file);
  ik_wipe_free(registration, sizeof *registration);
}

int iotkit_registration_result(const iotkit_registration_t *registration) {
  return registration ? registration->result : IK_EINVALID_ARGUMENT;
}

const char *iotkit_registration_detail(const iotkit_registration_t *registration) {
  return registration ? registration->detail : "";
}

const struct iotkit_credentials *
iotkit_registration_credentials(const iotkit_registration_t *registration) {
  return registration && registration->result == 0 ? &registration->got : NULL;
}

/* ---- readiness face ---- */

int iotkit_registration_fd(const iotkit_registration_t *registration) {
  return registration ? iotkit_mqtt_fd(registration->client) : -1;
}

int iotkit_registration_interest(const iotkit_registration_t *registration) {
  return registration ? iotkit_mqtt_interest(registration->client) : 0;
}

uint64_t iotkit_registration_deadline(const iotkit_registration_t *registration) {
  if (!registration) return UINT64_MAX;
  const uint64_t client_ms = iotkit_mqtt_deadline(registration->client);
  const uint64_t own_ms = own_deadline(registration);
  return client_ms < own_ms ? client_ms : own_ms;
}

int iotkit_registration_step(iotkit_registration_t *registration, uint64_t now_ms) {
  if (!registration) return IK_EINVALID_ARGUMENT;
  look_at_file(registration, now_ms);
  const int rc = iotkit_mqtt_step(registration->client, now_ms);
  if (rc < 0 && rc != IK_ECLOSED) return rc;
  look_at_time(registration, now_ms);
  return outcome(registration);
}

void iotkit_registration_set_waker(iotkit_registration_t *registration, void (*wake)(void *ctx),
                                   void *ctx) {
  if (registration) iotkit_mqtt_set_waker(registration->client, wake, ctx);
}

/* ---- blocking face ---- */

/* How long one yield may take. */
static uint32_t share_ms(const struct iotkit_registration *registration, uint64_t now_ms,
                         uint64_t end_ms) {
  const uint64_t own_ms = own_deadline(registration);
  const uint64_t until_ms = own_ms < end_ms ? own_ms : end_ms;
  if (until_ms <= now_ms) return 0;
  return until_ms - now_ms < UINT32_MAX ? (uint32_t)(until_ms - now_ms) : UINT32_MAX;
}

int iotkit_registration_wait(iotkit_registration_t *registration, uint32_t timeout_ms) {
  if (!registration) return IK_EINVALID_ARGUMENT;
  uint64_t now_ms = ik_port_now_ms();
  const uint64_t end_ms = timeout_ms == UINT32_MAX ? UINT64_MAX : now_ms + timeout_ms;
  while (outcome(registration) == IK_EAGAIN) {
    look_at_file(registration, now_ms);
    const int rc = iotkit_mqtt_yield(registration->client, share_ms(registration, now_ms, end_ms));
    now_ms = ik_port_now_ms();
    look_at_time(registration, now_ms);
    if (rc < 0 && rc != IK_ECLOSED) return rc;
    if (now_ms >= end_ms) break;
  }
  return outcome(registration);
}

void iotkit_registration_interrupt(iotkit_registration_t *registration) {
  if (registration) iotkit_mqtt_interrupt(registration->client);
}

int iotkit_register(const struct iotkit_register_options *options, struct iotkit_credentials *out,
                    char *detail) {
  iotkit_registration_t *registration;
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = (struct iotkit_credentials){0};
  int rc = iotkit_registration_new(options, &registration, detail);
  if (rc < 0) return rc;
  rc = iotkit_registration_wait(registration, UINT32_MAX);
  if (rc == 0) *out = *iotkit_registration_credentials(registration);
  if (rc < 0) ik_detail(detail, "%s", iotkit_registration_detail(registration));
  iotkit_registration_free(registration);
  return rc;
}
