/*
 * str.c - string slices, numbers in text, UTF-8 and detail texts. Slices own nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/wipe.h"
#include "iotkit_errors.h"

struct ik_str ik_str(const char *text) {
  return (struct ik_str){text ? text : "", text ? strlen(text) : 0};
}

bool ik_str_eq(struct ik_str a, struct ik_str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static int lower(char c) {
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool ik_str_eq_nocase(struct ik_str a, struct ik_str b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++) {
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
  }
  return true;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

struct ik_str ik_str_trim(struct ik_str s) {
  while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
    s.len--;
  while (s.len > 0 && is_blank(s.ptr[0])) {
    s.ptr++;
    s.len--;
  }
  return s;
}

struct ik_str ik_str_take(struct ik_str *rest, char stop, bool *stopped) {
  const char *found = rest->len > 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
  struct ik_str part = {rest->ptr, found ? (size_t)(found - rest->ptr) : rest->len};
  size_t used = part.len + (found ? 1 : 0);
  *stopped = found != NULL;
  rest->ptr += used;
  rest->len -= used;
  return part;
}

struct ik_str ik_str_take_before(struct ik_str *rest, const char *stops) {
  struct ik_str part = {rest->ptr, 0};
  while (part.len < rest->len && strchr(stops, rest->ptr[part.len]) == NULL)
    part.len++;
  rest->ptr += part.len;
  rest->len -= part.len;
  return part;
}

bool ik_str_u64(struct ik_str s, uint64_t *out) {
  uint64_t value = 0;
  if (s.len == 0) return false;
  for (size_t i = 0; i < s.len; i++) {
    unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
    if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = value;
  return true;
}

bool ik_str_hex_u64(struct ik_str s, uint64_t *out) {
  uint64_t value = 0;
  if (s.len == 0) return false;
  for (size_t i = 0; i < s.len; i++) {
    int c = lower(s.ptr[i]);
    unsigned digit;
    if (c >= '0' && c <= '9') {
      digit = (unsigned)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = (unsigned)(c - 'a') + 10;
    } else {
      return false;
    }
    if (value > UINT64_MAX >> 4) return false;
    value = value << 4 | digit;
  }
  *out = value;
  return true;
}

char *ik_str_dup(struct ik_str s) {
  char *copy = malloc(s.len + 1);
  if (!copy) return NULL;
  if (s.len > 0) memcpy(copy, s.ptr, s.len);
  copy[s.len] = '\0';
  return copy;
}

void ik_str_free(char *text) {
  if (text != NULL) ik_wipe_free(text, strlen(text));
}

/*
 * Takes away a code point that the end of a truncated `text` has halved: details become JavaScript
 * strings.
 */
static void drop_halved(char *text, size_t len) {
  size_t start = len;
  size_t need;
  unsigned char lead;
  while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
    start--;
  if (start == 0) return;
  lead = (unsigned char)text[start - 1];
  need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (len - (start - 1) < need) text[start - 1] = '\0';
}

void ik_detail(char *out, const char *format, ...) {
  va_list args;
  if (!out) return;
  va_start(args, format);
  int len = vsnprintf(out, IOTKIT_DETAIL_MAX, format, args);
  va_end(args);
  if (len < 0) out[0] = '\0';
  if (len >= IOTKIT_DETAIL_MAX) drop_halved(out, IOTKIT_DETAIL_MAX - 1);
}

static bool is_continuation(uint8_t byte) {
  return (byte & 0xc0) == 0x80;
}

/* Length of the well-formed sequence at `at` (Unicode table 3-7), 0: there is none. */
static size_t utf8_sequence(const uint8_t *at, size_t left) {
  uint8_t lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (left < 2 || !is_continuation(at[1])) return 0;
  if (lead < 0xe0) return 2;
  if (lead == 0xe0 && at[1] < 0xa0) return 0; /* overlong */
  if (lead == 0xed && at[1] > 0x9f) return 0; /* surrogate */
  if (left < 3 || !is_continuation(at[2])) return 0;
  if (lead < 0xf0) return 3;
  if (lead == 0xf0 && at[1] < 0x90) return 0; /* overlong */
  if (lead == 0xf4 && at[1] > 0x8f) return 0; /* beyond U+10FFFF */
  return left >= 4 && is_continuation(at[3]) ? 4 : 0;
}

bool ik_utf8_valid(const uint8_t *data, size_t len) {
  size_t i = 0;
  while (i < len) {
    uint64_t word;
    size_t n;
    /* Nearly all text here is ASCII: eight bytes at a time. */
    while (len - i >= sizeof word) {
      memcpy(&word, data + i, sizeof word);
      if (word & UINT64_C(0x8080808080808080)) break;
      i += sizeof word;
    }
    if (i == len) break;
    n = utf8_sequence(data + i, len - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}
