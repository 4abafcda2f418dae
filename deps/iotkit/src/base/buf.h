/*
 * buf.h - a growable byte buffer that is born with a maximum, string slices, and detail texts.
 *
 * What lives in base/: bytes, text, JSON, URLs and addresses in text, hex and base64, CRCs,
 * back-off, times and limits, and the error table. It may include, besides itself and public
 * headers, only what of libc has no operating system in it: no I/O, no clock, no lock.
 */
#ifndef IK_BUF_H
#define IK_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes [pos, len) are the content; consumed ones before pos are reclaimed when room is needed. */
struct ik_buf {
  uint8_t *data; /* owned */
  size_t pos;
  size_t len;
  size_t cap;
  size_t max; /* most bytes of content; fixed at init */
};

void ik_buf_init(struct ik_buf *buf, size_t max);
/* Wipes and frees; the buffer is then as after init with the same maximum. */
void ik_buf_free(struct ik_buf *buf);
/* Empties without freeing. */
void ik_buf_clear(struct ik_buf *buf);
const uint8_t *ik_buf_ptr(const struct ik_buf *buf);
size_t ik_buf_size(const struct ik_buf *buf);
/*
 * Makes room for `more` bytes after the content; *room points there. IK_ETOO_LONG beyond the
 * maximum, IK_ENO_MEMORY.
 */
int ik_buf_reserve(struct ik_buf *buf, size_t more, uint8_t **room);
/* `n` bytes of the reserved room were written. */
void ik_buf_commit(struct ik_buf *buf, size_t n);
/* `n` bytes of the content are done with. Once empty, memory beyond 4 KiB is given back. */
void ik_buf_consume(struct ik_buf *buf, size_t n);
int ik_buf_append(struct ik_buf *buf, const void *data, size_t len);
int ik_buf_append_str(struct ik_buf *buf, const char *text);
int ik_buf_append_u8(struct ik_buf *buf, uint8_t value);
int ik_buf_append_u16be(struct ik_buf *buf, uint16_t value);
int ik_buf_printf(struct ik_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A piece of text somebody else owns; not NUL-terminated. */
struct ik_str {
  const char *ptr;
  size_t len;
};

#define IK_STR(literal) ((struct ik_str){(literal), sizeof(literal) - 1})
struct ik_str ik_str(const char *text); /* NULL gives an empty one */
bool ik_str_eq(struct ik_str a, struct ik_str b);
bool ik_str_eq_nocase(struct ik_str a, struct ik_str b); /* ASCII */
struct ik_str ik_str_trim(struct ik_str s);              /* spaces and tabs */
/*
 * Takes the text before `stop` off *rest, and `stop` itself; all of it when there is no `stop`;
 * *stopped: whether there is one.
 */
struct ik_str ik_str_take(struct ik_str *rest, char stop, bool *stopped);
/* Takes the text before the first of `stops` off *rest, which then begins with that character. */
struct ik_str ik_str_take_before(struct ik_str *rest, const char *stops);
/* Digits only, no sign, no space, not empty; false on overflow too. */
bool ik_str_u64(struct ik_str s, uint64_t *out);
bool ik_str_hex_u64(struct ik_str s, uint64_t *out);
/* A NUL-terminated copy, NULL when out of memory. */
char *ik_str_dup(struct ik_str s);
/* Wipes a NUL-terminated text and frees it: for those that may be secrets. NULL is allowed. */
void ik_str_free(char *text);
/*
 * snprintf into IOTKIT_DETAIL_MAX bytes, always terminated, truncated between characters; for
 * detail texts. `out` may be NULL.
 */
void ik_detail(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes the detail, as ik_detail(), and is `error`. A macro: so compilers see that it is not 0. */
#define ik_refuse(detail, error, ...) (ik_detail((detail), __VA_ARGS__), (error))
/* Valid UTF-8 without surrogates and beyond-plane code points. */
bool ik_utf8_valid(const uint8_t *data, size_t len);

#endif
