/*
 * fake_stream.c - the stream is freed by close, the wire belongs to the test.
 */
#include "support/fake_stream.h"

#include <stdlib.h>
#include <string.h>

#define WIRE_MAX ((size_t)64 << 20)

struct stream {
  struct ik_transport base;
  struct fake_wire *wire;
};

static struct fake_wire *wire_of(const struct ik_transport *transport) {
  return ((const struct stream *)transport)->wire;
}

static int stream_open(struct ik_transport *transport, uint64_t now_ms, char *detail) {
  (void)now_ms;
  if (wire_of(transport)->open_error < 0) ik_detail(detail, "%s", "as the test wants");
  return wire_of(transport)->open_error;
}

static ptrdiff_t stream_read(struct ik_transport *transport, void *buf, size_t len, char *detail) {
  struct fake_wire *wire = wire_of(transport);
  size_t n = ik_buf_size(&wire->to_client);
  (void)detail;
  if (n == 0) return wire->read_error;
  if (n > len) n = len;
  if (wire->read_piece && n > wire->read_piece) n = wire->read_piece;
  memcpy(buf, ik_buf_ptr(&wire->to_client), n);
  ik_buf_consume(&wire->to_client, n);
  return (ptrdiff_t)n;
}

static ptrdiff_t stream_write(struct ik_transport *transport, const void *data, size_t len,
                              char *detail) {
  struct fake_wire *wire = wire_of(transport);
  const size_t n = len < wire->write_room ? len : wire->write_room;
  (void)detail;
  if (wire->write_error) return wire->write_error;
  if (n == 0) return IK_EAGAIN;
  if (ik_buf_append(&wire->from_client, data, n) < 0) return IK_ENO_MEMORY;
  wire->write_room -= n;
  return (ptrdiff_t)n;
}

static int stream_fd(const struct ik_transport *transport) {
  (void)transport;
  return -1;
}

static int stream_interest(const struct ik_transport *transport, int want) {
  (void)transport;
  return want;
}

static uint64_t stream_deadline(const struct ik_transport *transport) {
  (void)transport;
  return UINT64_MAX;
}

static void stream_finish(struct ik_transport *transport) {
  wire_of(transport)->finished = true;
}

static void stream_close(struct ik_transport *transport) {
  struct fake_wire *wire = wire_of(transport);
  wire->connected = false;
  wire->closes++;
  free(transport);
}

static const struct ik_transport_ops ops = {stream_open,   stream_read,     stream_write,
                                            stream_fd,     stream_interest, stream_deadline,
                                            stream_finish, stream_close};

void fake_wire_init(struct fake_wire *wire) {
  memset(wire, 0, sizeof(*wire));
  ik_buf_init(&wire->to_client, WIRE_MAX);
  ik_buf_init(&wire->from_client, WIRE_MAX);
  wire->read_error = IK_EAGAIN;
  wire->write_room = SIZE_MAX;
}

void fake_wire_free(struct fake_wire *wire) {
  ik_buf_free(&wire->to_client);
  ik_buf_free(&wire->from_client);
}

int fake_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms, struct ik_transport **out,
              char *detail) {
  struct fake_wire *wire = ctx;
  (void)now_ms;
  wire->dials++;
  wire->last = *dial;
  wire->last.host = NULL;
  if (wire->dial_error) {
    ik_detail(detail, "%s", "as the test wants");
    return wire->dial_error;
  }
  struct stream *stream = calloc(1, sizeof(*stream));
  if (!stream) return IK_ENO_MEMORY;
  ik_buf_clear(&wire->to_client);
  ik_buf_clear(&wire->from_client);
  wire->connected = true;
  wire->finished = false;
  stream->base.ops = &ops;
  stream->wire = wire;
  *out = &stream->base;
  return 0;
}

void fake_say(struct fake_wire *wire, const void *data, size_t len) {
  if (ik_buf_append(&wire->to_client, data, len) < 0) abort();
}

void fake_forget(struct fake_wire *wire) {
  ik_buf_clear(&wire->from_client);
}
