/*
 * chunked.h - the chunked transfer coding (RFC 9112 section 7.1), decoded in place.
 */
#ifndef IK_HTTP_CHUNKED_H
#define IK_HTTP_CHUNKED_H

#include "base/buf.h"
#include "base/limits.h"

enum ik_chunked_state {
  IK_CHUNKED_SIZE,         /* digits of a chunk's size    → SIZE_SPACE, EXTENSION, SIZE_LF */
  IK_CHUNKED_SIZE_SPACE,   /* blanks after the size        → EXTENSION, SIZE_LF             */
  IK_CHUNKED_EXTENSION,    /* skipped up to CR            → SIZE_LF                        */
  IK_CHUNKED_SIZE_LF,      /*                             → DATA, TRAILER                  */
  IK_CHUNKED_DATA,         /*                             → DATA_CR                        */
  IK_CHUNKED_DATA_CR,      /*                             → DATA_LF                        */
  IK_CHUNKED_DATA_LF,      /*                             → SIZE                           */
  IK_CHUNKED_TRAILER,      /* start of a trailer line     → TRAILER_LINE, FINAL_LF         */
  IK_CHUNKED_TRAILER_LINE, /* skipped up to CR            → TRAILER_LF                     */
  IK_CHUNKED_TRAILER_LF,   /*                             → TRAILER                        */
  IK_CHUNKED_FINAL_LF,     /*                             → DONE                           */
  IK_CHUNKED_DONE
};

struct ik_chunked {
  enum ik_chunked_state state;
  uint64_t left;   /* bytes of the chunk still to come; while in SIZE the number so far */
  size_t line_len; /* bytes of the chunk-size line, then of all trailers: both capped */
  bool has_digit;
};

void ik_chunked_init(struct ik_chunked *chunked);
/*
 * Decodes `len` raw bytes at `data`; body bytes are moved to the front, *body_len of them. *used ≤
 * len raw bytes were taken. 1: the last chunk and its trailers have been read; 0: more;
 * IK_EHTTP_PROTOCOL (the body bytes before it are valid).
 */
int ik_chunked_decode(struct ik_chunked *chunked, uint8_t *data, size_t len, size_t *body_len,
                      size_t *used, char *detail);

#endif
