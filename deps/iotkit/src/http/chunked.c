/*
 * chunked.c - the decoder; owns nothing. Trailers are checked for form and dropped: nothing in them
 * matters here.
 */
#include "http/chunked.h"

#include <string.h>

#include "base/codec.h"
#include "http/text.h"
#include "iotkit_errors.h"

void ik_chunked_init(struct ik_chunked *chunked) {
  memset(chunked, 0, sizeof(*chunked));
}

static int malformed(char *detail, const char *what) {
  return ik_refuse(detail, IK_EHTTP_PROTOCOL, "chunked coding: %s", what);
}

static int take_size(struct ik_chunked *chunked, uint8_t c, char *detail) {
  int digit = ik_hex_value((char)c);
  if (digit >= 0) {
    if (chunked->left >> 60 != 0) return malformed(detail, "a chunk size is out of range");
    chunked->left = chunked->left << 4 | (uint64_t)digit;
    chunked->has_digit = true;
    return 0;
  }
  bool is_blank = c == ' ' || c == '\t';
  if (is_blank && !chunked->has_digit) return 0;
  if (!chunked->has_digit) return malformed(detail, "a chunk size is missing");
  if (c == '\r') {
    chunked->state = IK_CHUNKED_SIZE_LF;
  } else if (c == ';') {
    chunked->state = IK_CHUNKED_EXTENSION;
  } else if (is_blank) {
    chunked->state = IK_CHUNKED_SIZE_SPACE;
  } else {
    return malformed(detail, "a chunk size is not hexadecimal");
  }
  return 0;
}

static int take_size_space(struct ik_chunked *chunked, uint8_t c, char *detail) {
  if (c == ' ' || c == '\t') return 0;
  if (c != ';' && c != '\r') return malformed(detail, "a chunk size is not hexadecimal");
  chunked->state = c == ';' ? IK_CHUNKED_EXTENSION : IK_CHUNKED_SIZE_LF;
  return 0;
}

static int take_line_byte(struct ik_chunked *chunked, uint8_t c, char *detail) {
  bool in_trailer = chunked->state == IK_CHUNKED_TRAILER_LINE;
  if (c == '\r') {
    chunked->state = in_trailer ? IK_CHUNKED_TRAILER_LF : IK_CHUNKED_SIZE_LF;
    return 0;
  }
  char text = (char)c;
  if (!ik_http_is_text(&text, 1)) {
    return malformed(detail, in_trailer ? "a trailer has a control character"
                                        : "a chunk extension has a control character");
  }
  return 0;
}

static int take_trailer_start(struct ik_chunked *chunked, uint8_t c, char *detail) {
  if (c == '\r') {
    chunked->state = IK_CHUNKED_FINAL_LF;
    return 0;
  }
  bool is_folded = (c == ' ' || c == '\t') && chunked->line_len > 1; /* a line was there */
  if (!is_folded && !ik_http_is_token_char(c)) return malformed(detail, "a trailer is malformed");
  chunked->state = IK_CHUNKED_TRAILER_LINE;
  return 0;
}

/* The byte must be `wanted`, then comes `next`. */
static int expect(struct ik_chunked *chunked, uint8_t c, uint8_t wanted, enum ik_chunked_state next,
                  char *detail) {
  if (c != wanted) return malformed(detail, "a CRLF is missing");
  chunked->state = next;
  return 0;
}

static int end_size_line(struct ik_chunked *chunked, uint8_t c, char *detail) {
  chunked->line_len = 0;
  chunked->has_digit = false;
  return expect(chunked, c, '\n', chunked->left > 0 ? IK_CHUNKED_DATA : IK_CHUNKED_TRAILER, detail);
}

/* Any byte that is not a chunk's data. */
static int take_byte(struct ik_chunked *chunked, uint8_t c, char *detail) {
  switch (chunked->state) {
  case IK_CHUNKED_SIZE:
    return take_size(chunked, c, detail);
  case IK_CHUNKED_SIZE_SPACE:
    return take_size_space(chunked, c, detail);
  case IK_CHUNKED_EXTENSION:
  case IK_CHUNKED_TRAILER_LINE:
    return take_line_byte(chunked, c, detail);
  case IK_CHUNKED_SIZE_LF:
    return end_size_line(chunked, c, detail);
  case IK_CHUNKED_DATA_CR:
    return expect(chunked, c, '\r', IK_CHUNKED_DATA_LF, detail);
  case IK_CHUNKED_DATA_LF:
    return expect(chunked, c, '\n', IK_CHUNKED_SIZE, detail);
  case IK_CHUNKED_TRAILER:
    return take_trailer_start(chunked, c, detail);
  case IK_CHUNKED_TRAILER_LF:
    return expect(chunked, c, '\n', IK_CHUNKED_TRAILER, detail);
  case IK_CHUNKED_FINAL_LF:
    return expect(chunked, c, '\n', IK_CHUNKED_DONE, detail);
  case IK_CHUNKED_DATA:
  case IK_CHUNKED_DONE:
    break;
  }
  return IK_EINTERNAL;
}

static int count_line_byte(struct ik_chunked *chunked, char *detail) {
  switch (chunked->state) {
  case IK_CHUNKED_SIZE:
  case IK_CHUNKED_SIZE_SPACE:
  case IK_CHUNKED_EXTENSION:
    if (++chunked->line_len > IK_HTTP_CHUNK_LINE_MAX) {
      return malformed(detail, "a chunk-size line is too long");
    }
    return 0;
  case IK_CHUNKED_TRAILER:
  case IK_CHUNKED_TRAILER_LINE:
  case IK_CHUNKED_TRAILER_LF:
    if (++chunked->line_len > IK_HTTP_TRAILER_MAX) {
      return malformed(detail, "the trailers are too long");
    }
    return 0;
  default:
    return 0;
  }
}

int ik_chunked_decode(struct ik_chunked *chunked, uint8_t *data, size_t len, size_t *body_len,
                      size_t *used, char *detail) {
  *body_len = 0;
  *used = 0;
  while (*used < len && chunked->state != IK_CHUNKED_DONE) {
    if (chunked->state == IK_CHUNKED_DATA) {
      size_t n = len - *used;
      if (n > chunked->left) n = (size_t)chunked->left;
      if (*body_len != *used) memmove(data + *body_len, data + *used, n);
      *body_len += n;
      *used += n;
      chunked->left -= n;
      if (chunked->left == 0) chunked->state = IK_CHUNKED_DATA_CR;
      continue;
    }
    int rc = count_line_byte(chunked, detail);
    if (rc == 0) rc = take_byte(chunked, data[*used], detail);
    if (rc != 0) return rc;
    *used += 1;
  }
  return chunked->state == IK_CHUNKED_DONE ? 1 : 0;
}
