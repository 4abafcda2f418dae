/*
 * credentials.c - writes and reads credentials as text. No state; values are wiped where they were
 * copied to.
 */
#include "alink/credentials.h"

#include <string.h>

#include "alink/fields.h"
#include "alink/registration.h"
#include "base/codec.h"
#include "port/port.h"

#define HEX_LEN ((size_t)64)

struct member {
  const char *key;
  const char *value;
};

#define MEMBERS 5

static void list(const struct iotkit_credentials *of, struct member out[MEMBERS]) {
  out[0] = (struct member){"productKey", of->product_key};
  out[1] = (struct member){"deviceName", of->device_name};
  out[2] = (struct member){"deviceSecret", of->device_secret};
  out[3] = (struct member){"clientId", of->client_id};
  out[4] = (struct member){"deviceToken", of->device_token};
}

/* SHA-256 over the values in their order, each followed by a NUL; in hex. */
static int digest_of(const struct iotkit_credentials *credentials, char hex[HEX_LEN + 1]) {
  struct member members[MEMBERS];
  uint8_t value[IOTKIT_DIGEST_MAX];
  struct ik_digest *digest;
  int rc = ik_digest_new(IOTKIT_DIGEST_SHA256, &digest);
  if (rc < 0) return rc;
  list(credentials, members);
  for (size_t i = 0; rc == 0 && i < MEMBERS; i++)
    rc = ik_digest_update(digest, members[i].value, strlen(members[i].value) + 1);
  if (rc == 0) rc = ik_digest_value(digest, value);
  ik_digest_free(digest);
  if (rc < 0) return rc;
  ik_hex_encode(value, sizeof value, hex);
  return 0;
}

int ik_credentials_write(const struct iotkit_credentials *credentials, struct ik_buf *out) {
  struct member members[MEMBERS];
  char hex[HEX_LEN + 1];
  int rc = digest_of(credentials, hex);
  if (rc == 0) rc = ik_buf_append_str(out, "{");
  list(credentials, members);
  for (size_t i = 0; rc == 0 && i < MEMBERS; i++) {
    if (members[i].value[0] == '\0') continue;
    rc = ik_json_write_member(out, members[i].key, ik_str(members[i].value));
    if (rc == 0) rc = ik_buf_append_str(out, ",");
  }
  if (rc == 0) rc = ik_json_write_member(out, "digest", ik_str(hex));
  return rc == 0 ? ik_buf_append_str(out, "}\n") : rc;
}

static int check_digest(struct ik_str text, const struct iotkit_credentials *credentials,
                        char *detail) {
  struct ik_json json;
  char hex[HEX_LEN + 1];
  char memory[IK_FIELDS_DECODED_MAX + 1];
  int rc = digest_of(credentials, hex);
  if (rc == 0) rc = ik_fields_parse(text, &json, NULL);
  if (rc < 0) return rc;
  const struct ik_fields root = {&json, ik_json_root(&json), NULL};
  const struct ik_json_node *node = ik_fields_get(&root, "digest");
  if (node != NULL && (node->type != IK_JSON_STRING ||
                       !ik_str_eq_nocase(ik_fields_decoded(node, memory), ik_str(hex))))
    rc = ik_refuse(detail, IK_ECREDENTIALS_DAMAGED, "digest does not fit what it is of");
  ik_json_free(&json);
  return rc;
}

int ik_credentials_read(struct ik_str text, struct iotkit_credentials *out, char *detail) {
  enum iotkit_register_kind kind;
  int rc = ik_register_read(text, out, &kind, detail);
  if (rc == IK_ENO_MEMORY) return rc;
  if (rc < 0) return IK_ECREDENTIALS_DAMAGED;
  if (kind == IOTKIT_REGISTER_X509) {
    rc = ik_refuse(detail, IK_ECREDENTIALS_DAMAGED, "deviceSecret is missing");
  } else {
    rc = check_digest(text, out, detail);
  }
  if (rc < 0) ik_wipe(out, sizeof *out);
  return rc;
}
