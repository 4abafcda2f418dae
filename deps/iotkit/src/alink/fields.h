/*
 * fields.h - reading the fields that the platform's messages have in common, each refused by name.
 */
#ifndef IK_ALINK_FIELDS_H
#define IK_ALINK_FIELDS_H

#include "base/json.h"
#include "iotkit_core.h"

#define IK_FIELDS_DECODED_MAX 128

/* A message being read. */
struct ik_fields {
  const struct ik_json *json;
  const struct ik_json_node *object; /* whose members are read; NULL: there is none */
  char *detail;                      /* where a refusal says what is wrong; may be NULL */
};

/* What stands for an absent text; compared by address, never freed. */
extern const char ik_fields_absent[];
/* Frees a text unless it is absent or NULL. */
void ik_fields_free_text(const char *text);
/* A copy; absent stays absent. False: out of memory, *to is then absent. */
bool ik_fields_copy_text(const char *from, const char **to);

/* Says what is wrong and returns IK_ENOTICE_FIELD. */
int ik_fields_refuse(const struct ik_fields *in, const char *field, const char *why);
/*
 * ik_json_parse() of a message: a byte order mark before it and NULs after it, which some senders
 * count in, are not looked at.
 */
int ik_fields_parse(struct ik_str text, struct ik_json *out, char *detail);
/* A member, NULL when it is absent, null, "" or []: platforms write each of them for "none". */
const struct ik_json_node *ik_fields_get(const struct ik_fields *in, const char *key);
/*
 * A short text with its escapes decoded, for comparing; empty when it is longer than any that means
 * something.
 */
struct ik_str ik_fields_decoded(const struct ik_json_node *node,
                                char out[IK_FIELDS_DECODED_MAX + 1]);
/* The beginning of what a peer sent that may go into a detail: printable ASCII. */
struct ik_str ik_fields_printable(struct ik_str text);

/*
 * Each reads one member into *out, which stays as it is when the member is absent; `needed` ones
 * must be there and not empty. IK_ENOTICE_FIELD, IK_ETOO_LONG, IK_ENO_MEMORY.
 */
int ik_fields_text(const struct ik_fields *in, const char *key, size_t max, bool needed,
                   const char **out);
/* A member of any type: a text decoded, all else as it was written. */
int ik_fields_raw(const struct ik_fields *in, const char *key, const char **out);
/* "id", a number or a string, as text. */
int ik_fields_id(const struct ik_fields *in, const char **out);
/* A needed count of bytes, 1 to `max`, number or digit string. */
int ik_fields_size(const struct ik_fields *in, const char *key, uint64_t max, uint64_t *out);
/* A needed URL; IK_EURL and IK_EURL_SCHEME too. */
int ik_fields_url(const struct ik_fields *in, const char *key, const char **out);
/* "signMethod", in any case, also as "SHA-256"; IK_EDIGEST_METHOD when it is not known. */
int ik_fields_method(const struct ik_fields *in, enum iotkit_digest_method *out);
/* Hexadecimal digits of `len` bytes; *found says whether the field is there and not empty. */
int ik_fields_hex(const struct ik_fields *in, const char *key, uint8_t *out, size_t len,
                  bool *found);
/*
 * A needed digest: with MD5 it stands in the member `md5_key`, in `sign_key`, or in both alike;
 * else in `sign_key`.
 */
int ik_fields_digest(const struct ik_fields *in, enum iotkit_digest_method method,
                     const char *sign_key, const char *md5_key, uint8_t out[IOTKIT_DIGEST_MAX]);

#endif
