/*
 * messages.c - composes payloads and topics; the caller owns the buffers.
 */
#include "alink/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "iotkit_errors.h"

static bool level_valid(const char *level) {
  return level[0] != '\0' && strpbrk(level, "/+#") == NULL &&
         ik_utf8_valid((const uint8_t *)level, strlen(level));
}

int ik_ota_make_topic(const char *head, const char *product_key, const char *device_name,
                      const char *tail, char out[IK_OTA_TOPIC_MAX]) {
  if (!level_valid(product_key) || !level_valid(device_name)) return IK_EINVALID_ARGUMENT;
  int len = snprintf(out, IK_OTA_TOPIC_MAX, "%s/%s/%s%s", head, product_key, device_name, tail);
  return len < 0 || len >= IK_OTA_TOPIC_MAX ? IK_ETOO_LONG : 0;
}

/* Takes a text off the front. */
static bool skip_text(struct ik_str *rest, const char *text) {
  const size_t len = strlen(text);
  if (rest->len < len || memcmp(rest->ptr, text, len) != 0) return false;
  *rest = (struct ik_str){rest->ptr + len, rest->len - len};
  return true;
}

bool ik_ota_topic_names(const char *head, const char *tail, struct ik_str topic,
                        struct ik_str *product_key, struct ik_str *device_name) {
  struct ik_str rest = topic;
  bool stopped;
  if (!skip_text(&rest, head) || !skip_text(&rest, "/")) return false;
  *product_key = ik_str_take(&rest, '/', &stopped);
  *device_name = ik_str_take_before(&rest, "/");
  return stopped && product_key->len > 0 && device_name->len > 0 && ik_str_eq(rest, ik_str(tail));
}

int ik_ota_topic(enum ik_ota_topic which, const char *product_key, const char *device_name,
                 char out[IK_OTA_TOPIC_MAX]) {
  static const struct {
    const char *head;
    const char *tail;
  } parts[] = {
      [IK_OTA_INFORM] = {"/ota/device/inform", ""},
      [IK_OTA_PROGRESS] = {"/ota/device/progress", ""},
      [IK_OTA_UPGRADE] = {"/ota/device/upgrade", ""},
      [IK_OTA_REQUEST] = {"/ota/device/request", ""},
      [IK_OTA_GET] = {"/sys", "/thing/ota/firmware/get"},
      [IK_OTA_GET_REPLY] = {"/sys", "/thing/ota/firmware/get_reply"},
      [IK_OTA_FILE] = {"/sys", "/thing/file/download"},
      [IK_OTA_FILE_REPLY] = {"/sys", "/thing/file/download_reply"},
  };
  return ik_ota_make_topic(parts[which].head, product_key, device_name, parts[which].tail, out);
}

static int begin(struct ik_buf *out, uint32_t id) {
  return ik_buf_printf(out, "{\"id\":\"%" PRIu32 "\",", id);
}

/* Appends ,"key":"value"; the comma only after another member. */
static int add_text(struct ik_buf *out, bool first, const char *key, const char *value) {
  int rc = first ? 0 : ik_buf_append_str(out, ",");
  return rc == 0 ? ik_json_write_member(out, key, ik_str(value)) : rc;
}

static int add_module(struct ik_buf *out, bool first, const char *module) {
  return module != NULL && module[0] != '\0' ? add_text(out, first, "module", module) : 0;
}

int ik_ota_write_inform(struct ik_buf *out, uint32_t id, const char *version, const char *module) {
  int rc = begin(out, id);
  if (rc == 0) rc = ik_buf_append_str(out, "\"params\":{");
  if (rc == 0) rc = add_text(out, true, "version", version);
  if (rc == 0) rc = add_module(out, false, module);
  return rc == 0 ? ik_buf_append_str(out, "}}") : rc;
}

int ik_ota_write_progress(struct ik_buf *out, uint32_t id, int step, const char *desc,
                          const char *module) {
  int rc = begin(out, id);
  if (rc == 0) rc = ik_buf_printf(out, "\"params\":{\"step\":\"%d\"", step);
  if (rc == 0) rc = add_text(out, false, "desc", desc != NULL ? desc : "");
  if (rc == 0) rc = add_module(out, false, module);
  return rc == 0 ? ik_buf_append_str(out, "}}") : rc;
}

int ik_ota_write_get(struct ik_buf *out, uint32_t id, const char *module) {
  int rc = begin(out, id);
  if (rc == 0) rc = ik_buf_append_str(out, "\"version\":\"1.0\",\"params\":{");
  if (rc == 0) rc = add_module(out, true, module);
  return rc == 0 ? ik_buf_append_str(out, "},\"method\":\"thing.ota.firmware.get\"}") : rc;
}

int ik_ota_write_block(struct ik_buf *out, uint32_t id, const struct ik_ota_block *block) {
  return ik_buf_printf(out,
                       "{\"id\":\"%" PRIu32 "\",\"version\":\"1.0\",\"params\":{\"fileInfo\":{"
                       "\"streamId\":%" PRIu64 ",\"fileId\":%" PRIu64 "},\"fileBlock\":{"
                       "\"size\":%" PRIu32 ",\"offset\":%" PRIu64 "}}}",
                       id, block->stream_id, block->file_id, block->size, block->offset);
}
