/*
 * hostile_web.c - a connection owns the request that it is being sent and the bytes that it still
 * says.
 */
#include "fuzz/support/hostile_web.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "iotkit_mqtt.h"

#define REQUEST_MAX ((size_t)32 * 1024)
#define ANSWER_MAX ((size_t)4 << 20)
#define RAW_MAX 255
#define SAYS_MAX ((uint64_t)8 << 20) /* of one run, which then is over: it must not take seconds */

typedef unsigned long long ull;

enum ending { STAYS, CLOSES, RESETS, STALLS };

struct connection {
  struct ik_transport base;
  struct hostile_web *web;
  struct ik_buf request;
  struct ik_buf says;
  unsigned piece;     /* most bytes of one read; 0: any */
  unsigned waits;     /* calls that have to come again first */
  enum ending ending; /* once everything is said */
};

/* What a request asks for. */
struct asked {
  bool has_range;
  uint64_t from;
  uint64_t end;
};

static struct connection *from(struct ik_transport *transport) {
  return (struct connection *)transport;
}

/* ---- answers ---- */

static void say(struct connection *at, const void *data, size_t len) {
  CHECK(ik_buf_append(&at->says, data, len) == 0);
}

static void say_text(struct connection *at, const char *text) {
  say(at, text, strlen(text));
}

static struct asked read_request(struct connection *at) {
  const char *text = (const char *)ik_buf_ptr(&at->request);
  const char *range = strstr(text, "\r\nRange: bytes=");
  struct asked asked = {.end = at->web->size};
  CHECK(strncmp(text, "GET ", 4) == 0);
  if (range == NULL) return asked;
  char *rest;
  asked.has_range = true;
  asked.from = strtoull(range + strlen("\r\nRange: bytes="), &rest, 10);
  CHECK(*rest == '-');
  if (rest[1] != '\r') asked.end = strtoull(rest + 1, NULL, 10) + 1;
  CHECK(asked.from < asked.end && asked.end <= at->web->size);
  return asked;
}

/* Fields that any answer may have. */
static void say_fields(struct connection *at, unsigned which) {
  static const char *const fields[] = {
      "",
      "ETag: \"a\"\r\n",
      "ETag: \"b\"\r\n",
      "ETag: W/\"a\"\r\n",
      "Connection: close\r\n",
      "Content-Encoding: gzip\r\n",
      "Content-Encoding: identity\r\n",
      "Retry-After: 2\r\n",
      "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
      "Content-Type: text/html\r\n",
      "Accept-Ranges: none\r\n",
      "Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\n",
      " folded\r\n",
      "Transfer-Encoding: identity\r\n",
      "Content-Length: 3\r\n",
      "Content-Range: bytes 0-2/3\r\n",
  };
  say_text(at, fields[which % (sizeof(fields) / sizeof(*fields))]);
}

static void say_chunked(struct connection *at, const uint8_t *body, uint64_t len, unsigned step) {
  const uint64_t most = 1 + (uint64_t)step * 97 + len / 4096;
  char line[64];
  say_text(at, "Transfer-Encoding: chunked\r\n\r\n");
  for (uint64_t i = 0; i < len;) {
    const uint64_t n = len - i < most ? len - i : most;
    snprintf(line, sizeof(line), "%llx%s\r\n", (ull)n, step % 3 ? "" : " ;x=y");
    say_text(at, line);
    say(at, body + i, (size_t)n);
    say_text(at, "\r\n");
    i += n;
  }
  say_text(at, step % 5 ? "0\r\n\r\n" : "0\r\nTrailer: x\r\n\r\n");
}

static void say_body(struct connection *at, const uint8_t *body, uint64_t len) {
  struct input *script = at->web->script;
  char line[64];
  unsigned how = next(script);
  switch (how % 8) {
  case 0:
    say_chunked(at, body, len, next(script));
    return;
  case 1: /* until the end of the stream */
    at->ending = CLOSES;
    say_text(at, "\r\n");
    break;
  case 2: /* of another length */
    snprintf(line, sizeof(line), "Content-Length: %llu\r\n\r\n", (ull)len + next(script) - 128);
    say_text(at, line);
    break;
  default:
    snprintf(line, sizeof(line), "Content-Length: %llu\r\n\r\n", (ull)len);
    say_text(at, line);
  }
  const size_t before = ik_buf_size(&at->says);
  say(at, body, (size_t)len);
  if (how & 8 && len > 0) at->says.data[at->says.pos + before + next_u16(script) % len] ^= 0x55;
  if (how & 16) say_text(at, "more");
}

/* A whole image or the range, of the announced content or of another one. */
static void say_image(struct connection *at, const struct asked *asked, unsigned how) {
  struct hostile_web *web = at->web;
  const uint8_t *bytes = how & 16 ? web->other : web->image;
  uint64_t begin = asked->from;
  uint64_t end = asked->end;
  uint64_t total = web->size;
  char line[160];
  bool partial = asked->has_range && !(how & 32);
  if (!partial) begin = 0;
  if (!partial) end = web->size;
  if (how & 64) { /* not what was asked for */
    begin = next_u16(web->script) % web->size;
    end = begin + 1 + next_u16(web->script) % (web->size - begin);
    total += next(web->script) % 3;
    partial = true;
  }
  say_text(at, partial ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n");
  say_fields(at, next(web->script));
  if (partial && !(how & 128)) {
    snprintf(line, sizeof(line), "Content-Range: bytes %llu-%llu/%llu\r\n", (ull)begin,
             (ull)end - 1, (ull)total);
    say_text(at, line);
  }
  say_body(at, bytes + begin, end - begin);
}

static void say_status(struct connection *at) {
  static const char *const lines[] = {
      "301 x\r\nLocation: /g?secret",
      "302 x\r\nLocation: http://a.example/g?secret",
      "302 x\r\nLocation: https://h.example/g?secret",
      "303 x\r\nLocation: //b.example/g",
      "307 x\r\nLocation: ",
      "308 x\r\nLocation: /\\evil.example/",
      "400 x",
      "401 x",
      "403 x",
      "404 x",
      "405 x",
      "407 x",
      "410 x",
      "416 x",
      "416 x\r\nContent-Range: bytes */3",
      "429 x\r\nRetry-After: 1",
      "500 x",
      "501 x",
      "503 x\r\nRetry-After: 3",
      "204 x",
      "304 x",
      "100 x",
      "101 x",
      "999 x",
  };
  struct input *script = at->web->script;
  say_text(at, "HTTP/1.1 ");
  say_text(at, lines[next(script) % (sizeof(lines) / sizeof(*lines))]);
  say_text(at, "\r\n");
  say_fields(at, next(script));
  say_body(at, (const uint8_t *)"<html>log in</html>", 19);
}

static void say_anything(struct connection *at) {
  size_t len = next(at->web->script) % RAW_MAX;
  const uint8_t *raw = next_bytes(at->web->script, &len);
  say(at, raw, len);
}

static void answer(struct connection *at) {
  struct hostile_web *web = at->web;
  const struct asked asked = read_request(at);
  const unsigned what = next(web->script);
  const unsigned then = next(web->script);
  at->ending = (enum ending)(then & 3);
  at->piece = then & 4 ? 1 + next(web->script) : 0;
  if (then & 8) say_text(at, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
  switch (what % 8) {
  case 0:
    say_status(at);
    break;
  case 1:
    say_anything(at);
    break;
  default:
    say_image(at, &asked, what & 8 ? what : 0);
  }
  if (then & 16) { /* all but the end of it */
    const size_t size = ik_buf_size(&at->says);
    const size_t keep = size > 0 ? next_u16(web->script) * size / 65536 : 0;
    struct ik_buf cut;
    ik_buf_init(&cut, ANSWER_MAX);
    CHECK(ik_buf_append(&cut, ik_buf_ptr(&at->says), keep) == 0);
    ik_buf_free(&at->says);
    at->says = cut;
  }
  /* Small pieces, but not a million of them. */
  web->said += ik_buf_size(&at->says);
  if (at->piece > 0) at->piece += (unsigned)(ik_buf_size(&at->says) / 1024);
  ik_buf_clear(&at->request);
}

/* ---- the transport ---- */

static bool has_to_wait(struct connection *at) {
  if (at->waits == 0) return false;
  at->waits--;
  return true;
}

static int web_open(struct ik_transport *transport, uint64_t now_ms, char *detail) {
  (void)now_ms;
  (void)detail;
  return has_to_wait(from(transport)) ? IK_EAGAIN : 0;
}

static ptrdiff_t web_write(struct ik_transport *transport, const void *data, size_t len,
                           char *detail) {
  struct connection *at = from(transport);
  (void)detail;
  if (has_to_wait(at)) return IK_EAGAIN;
  if (ik_buf_size(&at->says) == 0 && at->ending == RESETS) return IK_ECONNECTION_RESET;
  CHECK(len > 0);
  if (ik_buf_size(&at->request) > 0) /* it ends with NUL, for strstr */
    at->request.len--;
  CHECK(ik_buf_append(&at->request, data, len) == 0);
  CHECK(ik_buf_append_u8(&at->request, 0) == 0);
  if (strstr((const char *)ik_buf_ptr(&at->request), "\r\n\r\n") != NULL) answer(at);
  return (ptrdiff_t)len;
}

static ptrdiff_t web_read(struct ik_transport *transport, void *buf, size_t len, char *detail) {
  struct connection *at = from(transport);
  size_t n = ik_buf_size(&at->says);
  (void)detail;
  CHECK(len > 0);
  if (n == 0 && at->ending == CLOSES) return 0;
  if (n == 0 && at->ending == RESETS) return IK_ECONNECTION_RESET;
  if (n == 0) return IK_EAGAIN;
  if (n > len) n = len;
  if (at->piece > 0 && n > at->piece) n = at->piece;
  memcpy(buf, ik_buf_ptr(&at->says), n);
  ik_buf_consume(&at->says, n);
  return (ptrdiff_t)n;
}

static int web_fd(const struct ik_transport *transport) {
  (void)transport;
  return -1;
}

/* What has something to say is ready; for the rest waiting is in vain. */
static int web_interest(const struct ik_transport *transport, int want) {
  const struct connection *at = (const struct connection *)transport;
  return ik_buf_size(&at->says) > 0 ? want | IK_PENDING : want;
}

static uint64_t web_deadline(const struct ik_transport *transport) {
  const struct connection *at = (const struct connection *)transport;
  return at->waits > 0 ? 0 : UINT64_MAX;
}

static void web_finish(struct ik_transport *transport) {
  (void)transport;
}

static void web_close(struct ik_transport *transport) {
  struct connection *at = from(transport);
  at->web->open--;
  ik_buf_free(&at->request);
  ik_buf_free(&at->says);
  free(at);
}

int hostile_web_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms,
                     struct ik_transport **out, char *detail) {
  static const struct ik_transport_ops ops = {web_open,     web_read,     web_write,  web_fd,
                                              web_interest, web_deadline, web_finish, web_close};
  static const int errors[] = {IK_ECONNECT, IK_ECONNECT_TIMEOUT, IK_ERESOLVE, IK_ETLS_HOSTNAME};
  struct hostile_web *web = ctx;
  (void)dial;
  (void)now_ms;
  const bool over = web->script->left == 0 || web->said > SAYS_MAX;
  const unsigned how = next(web->script);
  if (over || how % 8 == 7) {
    ik_detail(detail, "h.example: nobody is there");
    return errors[how / 8 % (over ? 1 : 4)];
  }
  struct connection *at = calloc(1, sizeof(*at));
  CHECK(at != NULL);
  at->base.ops = &ops;
  at->web = web;
  at->waits = how & 32 ? how % 3 : 0;
  ik_buf_init(&at->request, REQUEST_MAX);
  ik_buf_init(&at->says, ANSWER_MAX);
  web->open++;
  *out = &at->base;
  return 0;
}
