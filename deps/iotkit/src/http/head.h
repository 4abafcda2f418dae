/*
 * head.h - a response head (RFC 9112), pushed byte by byte or in any pieces, and what it says about
 * the body.
 *
 * Stricter than the RFC allows where leniency is how responses get split or smuggled: refused are
 * line ends other than CRLF, a fold before the first field, spaces before the colon, control
 * characters, Content-Length beside "chunked", differing or signed lengths, any transfer coding but
 * "identity" and one final "chunked". A field that is folded over several lines is one with blanks.
 */
#ifndef IK_HTTP_HEAD_H
#define IK_HTTP_HEAD_H

#include "base/buf.h"
#include "base/limits.h"

/* Places in the text of the head; IK_HTTP_HEAD_MAX fits. */
struct ik_http_field {
  uint16_t name;
  uint16_t name_len;
  uint16_t value;
  uint16_t value_len;
};

struct ik_http_head {
  struct ik_buf text; /* the head so far, line ends included */
  size_t line;        /* where the line that is being received starts */
  uint16_t status;    /* 0 until the status line is complete */
  uint8_t minor;      /* of HTTP/1.x */
  bool done;
  uint16_t count;
  struct ik_http_field fields[IK_HTTP_HEADERS_MAX];
};

void ik_http_head_init(struct ik_http_head *head);
void ik_http_head_free(struct ik_http_head *head);
/* Makes ready for the next response; keeps the memory. */
void ik_http_head_reset(struct ik_http_head *head);

/*
 * Takes in bytes up to the end of the head; *used says how many. 1: the head is complete; 0: more
 * is needed; IK_EHTTP_PROTOCOL, IK_EHTTP_HEAD_TOO_LARGE, IK_ENO_MEMORY. The result does not depend
 * on how the bytes are split.
 */
int ik_http_head_push(struct ik_http_head *head, const uint8_t *data, size_t len, size_t *used,
                      char *detail);

/*
 * How many fields have the name (any case); *value (may be NULL) gets the first one's, else empty.
 */
size_t ik_http_head_get(const struct ik_http_head *head, const char *name, struct ik_str *value);
/* The value of the `index`-th field of that name; false: there are not so many. */
bool ik_http_head_at(const struct ik_http_head *head, const char *name, size_t index,
                     struct ik_str *value);

enum ik_http_framing {
  IK_HTTP_NO_BODY,
  IK_HTTP_LENGTH, /* Content-Length */
  IK_HTTP_CHUNKED,
  IK_HTTP_UNTIL_CLOSE
};

/*
 * How the body of a complete head's response to GET is delimited (RFC 9112 section 6.3).
 * IK_EHTTP_PROTOCOL, IK_EHTTP_ENCODING.
 */
int ik_http_head_framing(const struct ik_http_head *head, enum ik_http_framing *framing,
                         uint64_t *length, char *detail);
/* Whether the connection can carry another request when the body has been read to its end. */
bool ik_http_head_keep_alive(const struct ik_http_head *head);

#endif
