/*
 * block_reply.c - reads the reply to a block request; nothing is copied, the JSON's nodes are freed
 * before it returns.
 */
#include "alink/block_reply.h"

#include <inttypes.h>
#include <string.h>

#include "alink/fields.h"
#include "base/codec.h"
#include "iotkit_errors.h"

#define LENGTH_LEN ((size_t)2)
#define CRC_LEN ((size_t)2)

static int unfit(char *detail, const char *why) {
  return ik_refuse(detail, IK_EBLOCK, "block: %s", why);
}

/* Part of the payload as text. */
static struct ik_str text_at(const uint8_t *payload, size_t len) {
  return (struct ik_str){(const char *)payload, len};
}

static int read_count(const struct ik_fields *in, const char *key, uint64_t *out) {
  const struct ik_json_node *node = ik_fields_get(in, key);
  if (node != NULL && ik_json_u64(node, out)) return 0;
  return ik_refuse(in->detail, IK_EBLOCK, "block: %s is %s", key,
                   node == NULL ? "missing" : "not a whole number");
}

static int read_head(const struct ik_fields *root, struct ik_block_reply *out) {
  uint64_t id;
  int rc = read_count(root, "id", &id);
  if (rc != 0) return rc;
  if (id > UINT32_MAX) return unfit(root->detail, "id is out of range");
  out->has_id = true;
  out->id = (uint32_t)id;
  const struct ik_json_node *message = ik_fields_get(root, "message");
  if (message == NULL) message = ik_fields_get(root, "msg");
  if (message != NULL && message->type == IK_JSON_STRING) {
    out->message = ik_fields_printable(message->text);
  }
  return read_count(root, "code", &out->code);
}

/* What `data` says of the block, against the bytes that are there. */
static int read_block(const struct ik_fields *data, const uint8_t *rest, size_t len,
                      struct ik_block_reply *out) {
  uint64_t size;
  int rc = read_count(data, "bSize", &size);
  if (rc == 0) rc = read_count(data, "bOffset", &out->offset);
  if (rc == 0 && ik_fields_get(data, "fileLength") != NULL) {
    rc = read_count(data, "fileLength", &out->file_length);
  }
  if (rc != 0) return rc;
  if (len < CRC_LEN || len - CRC_LEN != size) {
    return ik_refuse(data->detail, IK_EBLOCK,
                     "block: %zu bytes came instead of bSize %" PRIu64 " and a CRC", len, size);
  }
  out->data = rest;
  out->size = len - CRC_LEN;
  uint16_t crc = (uint16_t)(rest[out->size] | rest[out->size + 1] << 8);
  if (crc != ik_crc16(0, rest, out->size)) return unfit(data->detail, "the CRC does not fit");
  return 0;
}

static int read_reply(const struct ik_json *json, const uint8_t *rest, size_t len,
                      struct ik_block_reply *out, char *detail) {
  const struct ik_fields root = {json, ik_json_root(json), detail};
  if (root.object->type != IK_JSON_OBJECT) return unfit(detail, "the JSON is not an object");
  int rc = read_head(&root, out);
  if (rc != 0 || out->code != IK_BLOCK_CODE_OK) return rc;
  const struct ik_fields data = {json, ik_fields_get(&root, "data"), detail};
  if (data.object == NULL || data.object->type != IK_JSON_OBJECT) {
    return unfit(detail, "data is not an object");
  }
  return read_block(&data, rest, len, out);
}

int ik_block_reply_parse(const uint8_t *payload, size_t len, struct ik_block_reply *out,
                         char *detail) {
  struct ik_json json;
  char why[IOTKIT_DETAIL_MAX] = "";
  *out = (struct ik_block_reply){.message = {"", 0}};
  if (len < LENGTH_LEN) return unfit(detail, "the reply is shorter than its head");
  size_t json_len = (size_t)(payload[0] << 8 | payload[1]);
  if (json_len > len - LENGTH_LEN) return unfit(detail, "the JSON is longer than the reply");
  int rc = ik_fields_parse(text_at(payload + LENGTH_LEN, json_len), &json, why);
  if (rc == IK_ENO_MEMORY) return rc;
  if (rc != 0) return unfit(detail, why);
  size_t head = LENGTH_LEN + json_len;
  rc = read_reply(&json, payload + head, len - head, out, detail);
  ik_json_free(&json);
  return rc;
}
