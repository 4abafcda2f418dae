/*
 * json.h - a strict JSON reader (RFC 8259) over a caller's text, and a writer onto an ik_buf.
 *
 * The reader checks the whole text (UTF-8, escapes, numbers, depth, nothing after the value) and
 * builds an array of nodes that point into it; the text must outlive the document. Of equal keys
 * the last one counts, as in JavaScript.
 */
#ifndef IK_JSON_H
#define IK_JSON_H

#include "base/buf.h"
#include "base/limits.h"

enum ik_json_type {
  IK_JSON_NULL,
  IK_JSON_BOOL,
  IK_JSON_NUMBER,
  IK_JSON_STRING,
  IK_JSON_ARRAY,
  IK_JSON_OBJECT
};

struct ik_json_node {
  enum ik_json_type type;
  struct ik_str key;  /* raw text between the quotes, in an object; else empty */
  struct ik_str text; /* raw: of a string between the quotes, of object and array with brackets */
  uint32_t next;      /* index of the next sibling, 0: none */
  uint32_t child;     /* index of the first member or element, 0: none */
  uint32_t count;     /* members or elements */
};

struct ik_json {
  struct ik_json_node *nodes; /* owned; nodes[0] is the root */
  uint32_t count;
};

/*
 * IK_ENOTICE_JSON with `detail` = what and at which byte; IK_ETOO_LONG, IK_ENO_MEMORY. A BOM is
 * refused; readers of messages take it off (alink/fields.h).
 */
int ik_json_parse(struct ik_str text, struct ik_json *out, char *detail);
void ik_json_free(struct ik_json *json);
const struct ik_json_node *ik_json_root(const struct ik_json *json);
/*
 * Member by (decoded) name, NULL: not there or `object` is no object (NULL allowed). A member that
 * is null is returned.
 */
const struct ik_json_node *ik_json_get(const struct ik_json *json,
                                       const struct ik_json_node *object, const char *key);
const struct ik_json_node *ik_json_first(const struct ik_json *json,
                                         const struct ik_json_node *parent);
const struct ik_json_node *ik_json_next(const struct ik_json *json,
                                        const struct ik_json_node *node);
/*
 * Decodes a string's escapes into a new NUL-terminated text. IK_ETOO_LONG beyond `max` bytes;
 * IK_ENOTICE_FIELD: not a string, or it has a \u0000.
 */
int ik_json_string(const struct ik_json_node *node, size_t max, char **out, size_t *len);
/*
 * A non-negative integer, or its digits as a string. A number written with fraction or exponent is
 * one when its value is whole and at most 2^53 (1.0, 1e3; not 1.5). False otherwise.
 */
bool ik_json_u64(const struct ik_json_node *node, uint64_t *out);

/* ---- writing: appends to `buf`, each returns 0 or the buffer's error ---- */
/* Quoted and escaped; IK_EINVALID_ARGUMENT: not UTF-8. */
int ik_json_write_string(struct ik_buf *buf, struct ik_str text);
/* "key":"value"; on error nothing of it stays in the buffer. */
int ik_json_write_member(struct ik_buf *buf, const char *key, struct ik_str value);

#endif
