/*
 * fake_web.c - a connection owns the request it is being sent and the answer it gives. Descriptors
 * there are none: a connection that has something to say is always ready.
 */
#include "support/fake_web.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "iotkit_mqtt.h"
#include "support/cm.h"

typedef unsigned long long ull;

struct connection {
  struct ik_transport base;
  struct fake_web *web;
  unsigned number;
  char request[4096];
  size_t request_len;
  bool answering;
  struct fake_answer answer;
  uint64_t given; /* of head and body */
  bool closed;    /* by the server, between two requests */
};

static struct connection *from(struct ik_transport *transport) {
  return (struct connection *)transport;
}

/* ---- requests ---- */

static void copy_field(const char *text, const char *name, char *out, size_t cap) {
  const char *at = strstr(text, name);
  out[0] = '\0';
  if (at == NULL) return;
  at += strlen(name);
  size_t len = strcspn(at, "\r");
  assert_true(len < cap);
  memcpy(out, at, len);
  out[len] = '\0';
}

static void read_range(const char *text, struct fake_request *request) {
  char range[64];
  char *rest;
  copy_field(text, "\r\nRange: bytes=", range, sizeof(range));
  request->has_range = range[0] != '\0';
  if (!request->has_range) return;
  request->from = strtoull(range, &rest, 10);
  assert_int_equal(*rest, '-');
  request->is_open = rest[1] == '\0';
  if (!request->is_open) request->end = strtoull(rest + 1, NULL, 10) + 1;
}

static void take_request(struct connection *at) {
  struct fake_web *web = at->web;
  struct fake_request request = {
      .index = web->requests++, .connection = at->number, .end = web->size, .is_open = true};
  memcpy(request.text, at->request, at->request_len + 1);
  read_range(request.text, &request);
  copy_field(request.text, "\r\nIf-Range: ", request.if_range, sizeof(request.if_range));
  memset(&at->answer, 0, sizeof(at->answer));
  web->answer(web, &request, &at->answer);
  at->answering = true;
  at->given = 0;
  at->request_len = 0;
}

/* ---- the transport ---- */

static int web_open(struct ik_transport *transport, uint64_t now_ms, char *detail) {
  (void)now_ms;
  (void)detail;
  struct fake_web *web = from(transport)->web;
  bool busy = web->busy_one_in > 0 && rng_below(&web->rng, web->busy_one_in) == 0;
  return busy ? IK_EAGAIN : 0;
}

static ptrdiff_t web_write(struct ik_transport *transport, const void *data, size_t len,
                           char *detail) {
  (void)detail;
  struct connection *at = from(transport);
  struct fake_web *web = at->web;
  if (web->busy_one_in > 0 && rng_below(&web->rng, web->busy_one_in) == 0) return IK_EAGAIN;
  if (at->answering && at->answer.close) at->closed = true;
  /* Seen at once, or only by reading. */
  if (at->closed) return at->number % 2 == 0 ? (ptrdiff_t)len : IK_ECONNECTION_RESET;
  size_t n = web->read_most > 0 ? 1 + rng_below(&web->rng, len) : len;
  assert_true(at->request_len + n < sizeof(at->request));
  memcpy(at->request + at->request_len, data, n);
  at->request_len += n;
  at->request[at->request_len] = '\0';
  if (strstr(at->request, "\r\n\r\n") != NULL) take_request(at);
  return (ptrdiff_t)n;
}

/* How much of the answer may still come before something happens. */
static uint64_t left_of(const struct connection *at, uint64_t end) {
  return end > at->given ? end - at->given : 0;
}

static ptrdiff_t web_read(struct ik_transport *transport, void *buf, size_t len, char *detail) {
  struct connection *at = from(transport);
  struct fake_web *web = at->web;
  const struct fake_answer *answer = &at->answer;
  size_t head = strlen(answer->head);
  if (at->closed) return 0;
  if (!at->answering) return IK_EAGAIN;
  if (web->busy_one_in > 0 && rng_below(&web->rng, web->busy_one_in) == 0) return IK_EAGAIN;
  uint64_t left = left_of(at, head + answer->len);
  if (answer->cut > 0) {
    left = left_of(at, head + answer->cut);
    ik_detail(detail, "h.example: cut");
    if (left == 0) return answer->reset ? IK_ECONNECTION_RESET : 0;
  }
  if (answer->stall > 0) left = left_of(at, head + answer->stall);
  if (left == 0) return answer->close ? 0 : IK_EAGAIN;
  size_t n = web->read_most > 0 ? 1 + rng_below(&web->rng, web->read_most) : len;
  if (n > len) n = len;
  if (n > left) n = (size_t)left;
  if (at->given < head) {
    if (n > head - at->given) n = (size_t)(head - at->given);
    memcpy(buf, answer->head + at->given, n);
  } else {
    memcpy(buf, answer->body + (at->given - head), n);
    web->sent += n;
  }
  at->given += n;
  return (ptrdiff_t)n;
}

static int web_fd(const struct ik_transport *transport) {
  (void)transport;
  return -1;
}

/* What stalls is never ready; everything else at once. */
static int web_interest(const struct ik_transport *transport, int want) {
  const struct connection *at = (const struct connection *)transport;
  bool stalls = at->answering && at->answer.stall > 0 &&
                at->given >= strlen(at->answer.head) + at->answer.stall;
  return stalls ? want : want | IK_PENDING;
}

static uint64_t web_deadline(const struct ik_transport *transport) {
  (void)transport;
  return UINT64_MAX;
}

static void web_finish(struct ik_transport *transport) {
  (void)transport;
}

static void web_close(struct ik_transport *transport) {
  struct connection *at = from(transport);
  at->web->open--;
  ik_wipe_free(at, sizeof(*at)); /* the requests; test_job_freed.c looks at all that is freed */
}

int fake_web_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms, struct ik_transport **out,
                  char *detail) {
  static const struct ik_transport_ops ops = {web_open,     web_read,     web_write,  web_fd,
                                              web_interest, web_deadline, web_finish, web_close};
  struct fake_web *web = ctx;
  (void)now_ms;
  snprintf(web->host, sizeof(web->host), "%s", dial->host);
  web->proxied = dial->proxy != NULL;
  if (web->proxied) web->proxy = *dial->proxy;
  if (web->dial_error != 0) {
    ik_detail(detail, "%s: cannot be dialled", dial->host);
    return web->dial_error;
  }
  struct connection *at = calloc(1, sizeof(*at));
  if (at == NULL) return IK_ENO_MEMORY;
  at->base.ops = &ops;
  at->web = web;
  at->number = web->connections++;
  if (++web->open > web->open_max) web->open_max = web->open;
  *out = &at->base;
  return 0;
}

/* ---- answers ---- */

void fake_web_status(struct fake_answer *answer, const char *status, const char *fields) {
  snprintf(answer->head, sizeof(answer->head), "HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n", status,
           fields);
}

void fake_web_serve(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer) {
  char tag[320] = "";
  bool same = request->if_range[0] == '\0' ||
              (web->tag != NULL && strcmp(request->if_range, web->tag) == 0);
  bool partial = request->has_range && same;
  uint64_t begin = partial ? request->from : 0;
  uint64_t end = partial ? request->end : web->size;
  if (web->tag != NULL) snprintf(tag, sizeof(tag), "ETag: %s\r\n", web->tag);
  answer->body = web->image + begin;
  answer->len = end - begin;
  if (partial) {
    snprintf(answer->head, sizeof(answer->head),
             "HTTP/1.1 206 Partial Content\r\n%sContent-Range: bytes %llu-%llu/%llu\r\n"
             "Content-Length: %llu\r\n\r\n",
             tag, (ull)begin, (ull)end - 1, (ull)web->size, (ull)answer->len);
  } else {
    snprintf(answer->head, sizeof(answer->head),
             "HTTP/1.1 200 OK\r\n%sContent-Length: %llu\r\n\r\n", tag, (ull)answer->len);
  }
}

/* ---- jobs ---- */

iotkit_job_t *fake_web_job(struct fake_web *web, const struct iotkit_fetch_options *options) {
  char json[1024];
  char hex[65];
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint8_t value[IOTKIT_DIGEST_MAX];
  struct ik_digest *digest;
  iotkit_job_t *job = NULL;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_SHA256, &digest), 0);
  assert_int_equal(ik_digest_update(digest, web->image, (size_t)web->size), 0);
  assert_int_equal(ik_digest_value(digest, value), 32);
  ik_digest_free(digest);
  ik_hex_encode(value, 32, hex);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{\"size\":%llu,"
           "\"version\":\"2.0.0\",\"url\":\"http://h.example/f?k=secret\","
           "\"signMethod\":\"Sha256\",\"sign\":\"%s\"}}",
           (ull)web->size, hex);
  int rc = iotkit_job_parse(json, strlen(json), options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  return job;
}

int fake_web_fetch(iotkit_job_t *job, uint8_t *image, uint64_t size, size_t chunk) {
  uint64_t next = iotkit_job_received(job);
  while (iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    uint64_t offset = 0;
    size_t room = next < size && size - next < chunk ? (size_t)(size - next) : chunk;
    int64_t n = iotkit_job_fetch(job, image + (next < size ? next : 0), room, 30000, &offset);
    if (n <= 0) break;
    assert_true(offset == next || offset == 0);
    assert_true(offset + (uint64_t)n <= size);
    if (offset != next) memmove(image, image + next, (size_t)n);
    next = offset + (uint64_t)n;
    assert_true(iotkit_job_received(job) == next);
  }
  return iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED ? 0 : iotkit_job_error(job, NULL);
}
