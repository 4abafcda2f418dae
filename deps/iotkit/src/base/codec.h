/*
 * codec.h - hex, base64, big-endian numbers, CRC-16/ARC, CRC-32, constant-time compare.
 */
#ifndef IK_CODEC_H
#define IK_CODEC_H

#include "base/buf.h"
#include "base/wipe.h"

/* The value of a hexadecimal digit, in either case; -1: it is none. */
int ik_hex_value(char c);
/* Lower case, `out` gets 2 × len characters and a NUL. */
void ik_hex_encode(const uint8_t *data, size_t len, char *out);
/* Either case; exactly 2 × len digits, else false. */
bool ik_hex_decode(struct ik_str text, uint8_t *out, size_t len);
/*
 * The alphabets of RFC 4648 sections 4 and 5; padding may be missing, blanks and line breaks may
 * stand anywhere. Returns bytes written, or -1: malformed or longer than `cap`.
 */
ptrdiff_t ik_base64_decode(struct ik_str text, uint8_t *out, size_t cap);
int ik_base64_encode(const uint8_t *data, size_t len, struct ik_buf *out);
/* The low 1 to 8 bytes of a number, the highest first. */
void ik_put_be(uint8_t *to, uint64_t value, size_t bytes);
uint64_t ik_get_be(const uint8_t *from, size_t bytes);
/* CRC-16/ARC; start with 0. "123456789" → 0xBB3D. */
uint16_t ik_crc16(uint16_t crc, const void *data, size_t len);
/* CRC-32/ISO-HDLC, that of zlib; start with 0. "123456789" → 0xCBF43926. */
uint32_t ik_crc32(uint32_t crc, const void *data, size_t len);
bool ik_equal_ct(const void *a, const void *b, size_t len);

#endif
