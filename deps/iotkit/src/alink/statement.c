/*
 * statement.c - writes the text that a signed statement is made over. No state.
 */
#include "alink/statement.h"

#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "iotkit_errors.h"

/* Nothing else that is signed with the same key begins so; the number is that of the format. */
#define PREFIX "iotkit-ota statement 1"
#define MD5_LEN 16

bool ik_statement_product_valid(struct ik_str product_key) {
  if (product_key.len == 0 || product_key.len > IK_PRODUCT_KEY_MAX) return false;
  for (size_t i = 0; i < product_key.len; i++) {
    if (product_key.ptr[i] <= ' ' || product_key.ptr[i] > '~') return false;
  }
  return true;
}

/* No module and "default" are one. */
static const char *module_of(const struct iotkit_upgrade *upgrade) {
  return upgrade->module[0] != '\0' ? upgrade->module : "default";
}

int ik_statement_write(struct ik_buf *out, const char *product_key,
                       const struct ik_announcement *announcement) {
  char hex[2 * IOTKIT_DIGEST_MAX + 1];
  const struct iotkit_upgrade *upgrade = &announcement->upgrade;
  if (upgrade->digest_method == IOTKIT_DIGEST_NONE) return IK_EINVALID_ARGUMENT;
  const bool is_md5 = upgrade->digest_method == IOTKIT_DIGEST_MD5;
  ik_hex_encode(upgrade->digest, is_md5 ? MD5_LEN : IOTKIT_DIGEST_MAX, hex);
  int rc = ik_buf_printf(
      out, PREFIX "\nproduct %s\nmodule %s\nversion %s\nkind %s\nsize %" PRIu64 "\n%s %s\n",
      product_key, module_of(upgrade), upgrade->version, upgrade->is_diff ? "diff" : "full",
      upgrade->size, is_md5 ? "md5" : "sha256", hex);
  if (rc != 0 || announcement->file_name[0] == '\0') return rc;
  return ik_buf_printf(out, "file %s\n", announcement->file_name);
}
