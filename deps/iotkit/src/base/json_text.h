/*
 * json_text.h - the inside of JSON strings, for json.c: one class in two files. json.c reads
 * documents; json_text.c has escapes and the functions of json.h that read and write strings.
 */
#ifndef IK_JSON_TEXT_H
#define IK_JSON_TEXT_H

#include "base/buf.h"

/*
 * Decodes the escape at the start of `text` (a backslash) into at most 4 bytes of UTF-8; a
 * surrogate pair is one escape. Returns how much of the text it takes, 0: malformed or a lone
 * surrogate. `len` may be NULL.
 */
size_t ik_json_unescape(struct ik_str text, char utf8[4], size_t *len);
/* Whether raw string text, once decoded, is `decoded`. */
bool ik_json_text_eq(struct ik_str raw, struct ik_str decoded);

#endif
