/*
 * codec.c - hex, base64, CRC-16/ARC, constant-time compare. Pure functions; nothing is kept.
 */
#include "base/codec.h"

#include <string.h>

#include "iotkit_errors.h"

void ik_hex_encode(const uint8_t *data, size_t len, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < len; i++) {
    *out++ = digits[data[i] >> 4];
    *out++ = digits[data[i] & 15];
  }
  *out = '\0';
}

int ik_hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool ik_hex_decode(struct ik_str text, uint8_t *out, size_t len) {
  if (text.len / 2 != len || text.len % 2 != 0) return false;
  for (size_t i = 0; i < len; i++) {
    int high = ik_hex_value(text.ptr[2 * i]);
    int low = ik_hex_value(text.ptr[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

static bool is_break(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes the padding off the end. False: more of it than the digits before it may have. */
static bool take_padding(struct ik_str *text) {
  size_t padding = 0;
  size_t digits = 0;
  for (; text->len > 0; text->len--) {
    char c = text->ptr[text->len - 1];
    if (c == '=')
      padding++;
    else if (!is_break(c))
      break;
  }
  for (size_t i = 0; i < text->len; i++)
    digits += is_break(text->ptr[i]) ? 0 : 1;
  return digits % 4 != 1 && padding <= (4 - digits % 4) % 4;
}

ptrdiff_t ik_base64_decode(struct ik_str text, uint8_t *out, size_t cap) {
  size_t written = 0;
  uint32_t bits = 0;
  unsigned bit_count = 0;
  if (!take_padding(&text)) return -1;
  for (size_t i = 0; i < text.len; i++) {
    if (is_break(text.ptr[i])) continue;
    int value = base64_value(text.ptr[i]);
    if (value < 0) return -1;
    bits = bits << 6 | (uint32_t)value;
    bit_count += 6;
    if (bit_count >= 8) {
      if (written == cap) return -1;
      bit_count -= 8;
      out[written++] = (uint8_t)(bits >> bit_count);
      bits &= (1u << bit_count) - 1;
    }
  }
  /* What is left over must be zero, or two texts would mean the same bytes. */
  return bits == 0 ? (ptrdiff_t)written : -1;
}

int ik_base64_encode(const uint8_t *data, size_t len, struct ik_buf *out) {
  uint8_t *room;
  size_t text_len;
  size_t i = 0;
  int rc;

  if (len > SIZE_MAX / 4) return IK_ETOO_LONG;
  text_len = (len + 2) / 3 * 4;
  rc = ik_buf_reserve(out, text_len, &room);
  if (rc < 0) return rc;
  while (i < len) {
    size_t n = len - i < 3 ? len - i : 3;
    uint32_t bits = (uint32_t)data[i] << 16;
    if (n > 1) bits |= (uint32_t)data[i + 1] << 8;
    if (n > 2) bits |= data[i + 2];
    *room++ = (uint8_t)base64_digits[bits >> 18];
    *room++ = (uint8_t)base64_digits[bits >> 12 & 63];
    *room++ = n > 1 ? (uint8_t)base64_digits[bits >> 6 & 63] : (uint8_t)'=';
    *room++ = n > 2 ? (uint8_t)base64_digits[bits & 63] : (uint8_t)'=';
    i += n;
  }
  ik_buf_commit(out, text_len);
  return 0;
}

void ik_put_be(uint8_t *to, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i > 0; i--, value >>= 8)
    to[i - 1] = (uint8_t)(value & 0xff);
}

uint64_t ik_get_be(const uint8_t *from, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++)
    value = value << 8 | from[i];
  return value;
}

uint16_t ik_crc16(uint16_t crc, const void *data, size_t len) {
  /* The reflected polynomial 0xA001, four bits at a step. */
  static const uint16_t table[16] = {
      0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401,
      0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400,
  };
  const uint8_t *bytes = data;
  unsigned value = crc;
  for (size_t i = 0; i < len; i++) {
    value ^= bytes[i];
    value = value >> 4 ^ table[value & 15];
    value = value >> 4 ^ table[value & 15];
  }
  return (uint16_t)value;
}

uint32_t ik_crc32(uint32_t crc, const void *data, size_t len) {
  /* The reflected polynomial 0xEDB88320, four bits at a step. */
  static const uint32_t table[16] = {
      0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
      0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
      0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
  };
  const uint8_t *bytes = data;
  uint32_t value = ~crc;
  for (size_t i = 0; i < len; i++) {
    value ^= bytes[i];
    value = value >> 4 ^ table[value & 15];
    value = value >> 4 ^ table[value & 15];
  }
  return ~value;
}

bool ik_equal_ct(const void *a, const void *b, size_t len) {
  const volatile uint8_t *x = a;
  const volatile uint8_t *y = b;
  unsigned different = 0;
  for (size_t i = 0; i < len; i++)
    different |= (unsigned)(x[i] ^ y[i]);
  return different == 0;
}
