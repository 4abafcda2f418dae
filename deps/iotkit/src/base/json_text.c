/* Tested by deps/iotkit/test/base/test_json.c. */
/*
 * json_text.c - strings in JSON: decoding what the reader has checked, and writing. Decoded texts
 * belong to the caller.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_text.h"
#include "iotkit_errors.h"

static size_t encode_utf8(uint32_t code, char utf8[4]) {
  if (code < 0x80) {
    utf8[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    utf8[0] = (char)(0xc0 | code >> 6);
    utf8[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    utf8[0] = (char)(0xe0 | code >> 12);
    utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
    utf8[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  utf8[0] = (char)(0xf0 | code >> 18);
  utf8[1] = (char)(0x80 | (code >> 12 & 0x3f));
  utf8[2] = (char)(0x80 | (code >> 6 & 0x3f));
  utf8[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* The four digits of a \uXXXX that begins at `at`. */
static bool read_unit(struct ik_str text, size_t at, uint32_t *unit) {
  uint64_t value;
  if (text.len < at + 6 || text.ptr[at] != '\\' || text.ptr[at + 1] != 'u') return false;
  if (!ik_str_hex_u64((struct ik_str){text.ptr + at + 2, 4}, &value)) return false;
  *unit = (uint32_t)value;
  return true;
}

static size_t unescape_unit(struct ik_str text, char utf8[4], size_t *len) {
  uint32_t code;
  uint32_t low;
  size_t used = 6;
  if (!read_unit(text, 0, &code)) return 0;
  if (code >= 0xdc00 && code <= 0xdfff) return 0;
  if (code >= 0xd800 && code <= 0xdbff) {
    if (!read_unit(text, 6, &low) || low < 0xdc00 || low > 0xdfff) return 0;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    used = 12;
  }
  *len = encode_utf8(code, utf8);
  return used;
}

size_t ik_json_unescape(struct ik_str text, char utf8[4], size_t *len) {
  static const char escapes[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  size_t written = 1;
  size_t used = 2;
  const char *found;
  if (text.len < 2) return 0;
  if (text.ptr[1] == 'u') {
    used = unescape_unit(text, utf8, &written);
  } else {
    found = memchr(escapes, text.ptr[1], sizeof escapes - 1);
    if (!found) return 0;
    utf8[0] = meanings[found - escapes];
  }
  if (len) *len = written;
  return used;
}

/* The next piece of a checked string: a run without escapes, or one decoded escape in `utf8`. */
static struct ik_str next_piece(struct ik_str *raw, char utf8[4]) {
  struct ik_str piece = *raw;
  const char *escape = memchr(raw->ptr, '\\', raw->len);
  size_t used = escape ? (size_t)(escape - raw->ptr) : raw->len;
  if (used > 0) {
    piece.len = used;
  } else {
    piece.ptr = utf8;
    used = ik_json_unescape(*raw, utf8, &piece.len);
    if (used == 0) used = raw->len; /* unreachable for checked text; ends the loop of the caller */
  }
  raw->ptr += used;
  raw->len -= used;
  return piece;
}

bool ik_json_text_eq(struct ik_str raw, struct ik_str decoded) {
  char utf8[4];
  while (raw.len > 0) {
    struct ik_str piece = next_piece(&raw, utf8);
    if (piece.len > decoded.len || memcmp(piece.ptr, decoded.ptr, piece.len) != 0) return false;
    decoded.ptr += piece.len;
    decoded.len -= piece.len;
  }
  return decoded.len == 0;
}

/* The decoded length; -1: there is a NUL inside. */
static ptrdiff_t decoded_len(struct ik_str raw) {
  char utf8[4];
  size_t len = 0;
  while (raw.len > 0) {
    struct ik_str piece = next_piece(&raw, utf8);
    if (memchr(piece.ptr, '\0', piece.len)) return -1;
    len += piece.len;
  }
  return (ptrdiff_t)len;
}

int ik_json_string(const struct ik_json_node *node, size_t max, char **out, size_t *len) {
  struct ik_str raw;
  char utf8[4];
  char *text;
  size_t at = 0;
  ptrdiff_t need;

  *out = NULL;
  if (!node || node->type != IK_JSON_STRING) return IK_ENOTICE_FIELD;
  raw = node->text;
  need = decoded_len(raw);
  if (need < 0) return IK_ENOTICE_FIELD;
  if ((size_t)need > max) return IK_ETOO_LONG;
  text = malloc((size_t)need + 1);
  if (!text) return IK_ENO_MEMORY;
  while (raw.len > 0) {
    struct ik_str piece = next_piece(&raw, utf8);
    memcpy(text + at, piece.ptr, piece.len);
    at += piece.len;
  }
  text[at] = '\0';
  *out = text;
  if (len) *len = at;
  return 0;
}

/* ---- numbers ---- */

#define FLOAT_MAX ((uint64_t)1 << 53) /* up to here each integer has a double of its own */
#define EXPONENT_MAX 1000000000       /* far beyond the digits that any text has */

static int read_exponent(struct ik_str text) {
  bool is_negative = text.len > 0 && text.ptr[0] == '-';
  int value = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') continue; /* the sign */
    if (value < EXPONENT_MAX / 10) value = value * 10 + (text.ptr[i] - '0');
  }
  return is_negative ? -value : value;
}

/* value * 10^power, unless that is no integer or above FLOAT_MAX. */
static bool scale(uint64_t value, int64_t power, uint64_t *out) {
  for (; power < 0 && value % 10 == 0 && value > 0; power++)
    value /= 10;
  for (; power > 0 && value > 0 && value <= FLOAT_MAX; power--)
    value *= 10;
  if (value > FLOAT_MAX || (value > 0 && power < 0)) return false;
  *out = value;
  return true;
}

/* A number with fraction or exponent, exactly. Zeros are counted until another digit follows. */
static bool float_u64(struct ik_str text, uint64_t *out) {
  struct ik_str digits = ik_str_take_before(&text, "eE");
  int64_t power = text.len > 0 ? read_exponent((struct ik_str){text.ptr + 1, text.len - 1}) : 0;
  uint64_t value = 0;
  int64_t zeros = 0;
  bool is_fraction = false;
  if (digits.ptr[0] == '-') return false;
  for (size_t i = 0; i < digits.len; i++) {
    char c = digits.ptr[i];
    is_fraction = is_fraction || c == '.';
    if (c == '.') continue;
    if (is_fraction) power--;
    zeros++;
    if (c == '0') continue;
    for (; zeros > 0; zeros--) {
      if (value > FLOAT_MAX) return false;
      value *= 10;
    }
    value += (unsigned)(c - '0');
  }
  return scale(value, power + zeros, out);
}

bool ik_json_u64(const struct ik_json_node *node, uint64_t *out) {
  if (!node || (node->type != IK_JSON_NUMBER && node->type != IK_JSON_STRING)) return false;
  if (ik_str_u64(node->text, out)) return true;
  return node->type == IK_JSON_NUMBER && float_u64(node->text, out);
}

/* ---- writing ---- */

/* The letter of a two-character escape, 'u' for a \u00XX, 0: written as it is. */
static char escape_letter(unsigned char c) {
  switch (c) {
  case '"':
    return '"';
  case '\\':
    return '\\';
  case '\b':
    return 'b';
  case '\f':
    return 'f';
  case '\n':
    return 'n';
  case '\r':
    return 'r';
  case '\t':
    return 't';
  default:
    return c < 0x20 ? 'u' : '\0';
  }
}

static size_t escaped_len(struct ik_str text) {
  size_t len = 0;
  for (size_t i = 0; i < text.len; i++) {
    char letter = escape_letter((unsigned char)text.ptr[i]);
    len += letter == '\0' ? 1 : letter == 'u' ? 6 : 2;
  }
  return len;
}

int ik_json_write_string(struct ik_buf *buf, struct ik_str text) {
  static const char digits[] = "0123456789abcdef";
  uint8_t *room;
  size_t len;
  int rc;
  if (!ik_utf8_valid((const uint8_t *)text.ptr, text.len)) return IK_EINVALID_ARGUMENT;
  len = escaped_len(text) + 2;
  rc = ik_buf_reserve(buf, len, &room);
  if (rc < 0) return rc;
  *room++ = '"';
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    char letter = escape_letter(c);
    if (letter == '\0') {
      *room++ = c;
      continue;
    }
    *room++ = '\\';
    *room++ = (uint8_t)letter;
    if (letter == 'u') {
      *room++ = '0';
      *room++ = '0';
      *room++ = (uint8_t)digits[c >> 4];
      *room++ = (uint8_t)digits[c & 15];
    }
  }
  *room = '"';
  ik_buf_commit(buf, len);
  return 0;
}

int ik_json_write_member(struct ik_buf *buf, const char *key, struct ik_str value) {
  size_t before = ik_buf_size(buf);
  int rc = ik_json_write_string(buf, ik_str(key));
  if (rc == 0) rc = ik_buf_append_u8(buf, ':');
  if (rc == 0) rc = ik_json_write_string(buf, value);
  if (rc < 0) buf->len = buf->pos + before; /* all of it or nothing */
  return rc;
}
