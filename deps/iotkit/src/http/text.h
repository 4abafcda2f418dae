/*
 * text.h - the character classes and lists of RFC 9110 section 5.6, for the parsers of this folder.
 */
#ifndef IK_HTTP_TEXT_H
#define IK_HTTP_TEXT_H

#include "base/buf.h"

/* One or more token characters. */
bool ik_http_is_token(struct ik_str s);
bool ik_http_is_token_char(uint8_t c);
/* Only tab, space, visible ASCII and bytes from 0x80; an empty text is one. */
bool ik_http_is_text(const char *text, size_t len);
/*
 * The next item of a comma-separated list, trimmed; *rest continues after the comma, ptr NULL: that
 * was the last.
 */
struct ik_str ik_http_next_item(struct ik_str *rest);

#endif
