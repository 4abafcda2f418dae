/*
 * buf.c - the growable buffer and string slices.
 *
 * An ik_buf owns one heap block, made at the first byte and freed by ik_buf_free. Content only
 * moves when room is needed, so pointers from ik_buf_ptr hold until the next call that adds bytes.
 * Memory is wiped before it is given back: signed URLs and passwords pass through buffers. One
 * thread at a time per buffer.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"
#include "iotkit_errors.h"

#define FIRST_CAP ((size_t)256)
#define KEEP_CAP ((size_t)4096)

void ik_buf_init(struct ik_buf *buf, size_t max) {
  *buf = (struct ik_buf){.max = max};
}

void ik_buf_free(struct ik_buf *buf) {
  ik_wipe_free(buf->data, buf->cap);
  ik_buf_init(buf, buf->max);
}

void ik_buf_clear(struct ik_buf *buf) {
  buf->pos = 0;
  buf->len = 0;
}

const uint8_t *ik_buf_ptr(const struct ik_buf *buf) {
  static const uint8_t nothing[1] = {0};
  return buf->data ? buf->data + buf->pos : nothing;
}

size_t ik_buf_size(const struct ik_buf *buf) {
  return buf->len - buf->pos;
}

static void move_to_front(struct ik_buf *buf) {
  size_t size = ik_buf_size(buf);
  if (buf->pos == 0) return;
  if (size > 0) memmove(buf->data, buf->data + buf->pos, size);
  buf->pos = 0;
  buf->len = size;
}

/*
 * The block becomes at least `need` bytes; twice the old where that is more, so that appending
 * stays linear.
 */
static int grow(struct ik_buf *buf, size_t need) {
  size_t cap = buf->cap < FIRST_CAP / 2 ? FIRST_CAP : buf->cap * 2;
  size_t size = ik_buf_size(buf);
  uint8_t *data;
  if (buf->cap > SIZE_MAX / 2 || cap > buf->max) cap = buf->max;
  if (cap < need) cap = need;
  data = malloc(cap);
  if (!data) return IK_ENO_MEMORY;
  if (size > 0) memcpy(data, buf->data + buf->pos, size);
  ik_wipe_free(buf->data, buf->cap);
  *buf = (struct ik_buf){.data = data, .len = size, .cap = cap, .max = buf->max};
  return 0;
}

/* `spare` bytes are had besides `more`, outside the maximum: the NUL that vsnprintf insists on. */
static int make_room(struct ik_buf *buf, size_t more, size_t spare) {
  size_t size = ik_buf_size(buf);
  size_t need;
  if (more > buf->max - size || size + more > SIZE_MAX - spare) return IK_ETOO_LONG;
  need = size + more + spare;
  if (buf->cap - buf->len >= more + spare) return 0;
  /*
   * Moving pays when at least half of what is used is free again; otherwise a slow reader would
   * make it quadratic.
   */
  if (need <= buf->cap && buf->pos >= size) {
    move_to_front(buf);
    return 0;
  }
  return grow(buf, need);
}

int ik_buf_reserve(struct ik_buf *buf, size_t more, uint8_t **room) {
  int rc = make_room(buf, more, more == 0 ? 1 : 0);
  if (rc < 0) return rc;
  *room = buf->data + buf->len;
  return 0;
}

void ik_buf_commit(struct ik_buf *buf, size_t n) {
  buf->len += n;
}

void ik_buf_consume(struct ik_buf *buf, size_t n) {
  buf->pos += n;
  if (buf->pos < buf->len) return;
  ik_buf_clear(buf);
  if (buf->cap > KEEP_CAP) {
    ik_wipe(buf->data, buf->cap);
    uint8_t *data = realloc(buf->data, KEEP_CAP);
    if (!data) return;
    buf->data = data;
    buf->cap = KEEP_CAP;
  }
}

int ik_buf_append(struct ik_buf *buf, const void *data, size_t len) {
  int rc = make_room(buf, len, 0);
  if (rc < 0) return rc;
  if (len > 0) memcpy(buf->data + buf->len, data, len);
  buf->len += len;
  return 0;
}

int ik_buf_append_str(struct ik_buf *buf, const char *text) {
  return ik_buf_append(buf, text, strlen(text));
}

int ik_buf_append_u8(struct ik_buf *buf, uint8_t value) {
  return ik_buf_append(buf, &value, 1);
}

int ik_buf_append_u16be(struct ik_buf *buf, uint16_t value) {
  uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)(value & 0xff)};
  return ik_buf_append(buf, bytes, sizeof bytes);
}

int ik_buf_printf(struct ik_buf *buf, const char *format, ...) {
  va_list args;
  int len;
  int rc;

  va_start(args, format);
  len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len < 0) return IK_EINVALID_ARGUMENT;
  rc = make_room(buf, (size_t)len, 1);
  if (rc < 0) return rc;

  va_start(args, format);
  len = vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
  va_end(args);
  if (len < 0) return IK_EINVALID_ARGUMENT;
  buf->len += (size_t)len;
  return 0;
}
