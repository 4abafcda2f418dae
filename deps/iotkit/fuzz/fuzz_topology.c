/*
 * What the platform says about sub-devices: what is accepted keeps every promise of the struct, and
 * the answer to it is JSON whatever came. The first byte says what the message is.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/topology.h"
#include "base/json.h"
#include "base/limits.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max) {
  CHECK(text != NULL && strlen(text) <= max && ik_utf8_valid((const uint8_t *)text, strlen(text)));
}

static void check_message(const struct ik_topo_message *message) {
  CHECK(message->count <= IK_SUBDEVICES_MAX);
  check_text(message->id, IK_KIB);
  check_text(message->message, IK_KIB);
  check_text(message->product_key, IK_PRODUCT_KEY_MAX);
  for (size_t i = 0; i < message->count; i++) {
    const struct iotkit_subdevice_name *entry = &message->entries[i];
    check_text(entry->product_key, IK_PRODUCT_KEY_MAX);
    check_text(entry->device_name, IK_DEVICE_NAME_MAX);
    CHECK(entry->product_key[0] != '\0' && entry->device_name[0] != '\0');
  }
}

static void check_ack(const char *id) {
  struct ik_buf buf;
  struct ik_json json;
  ik_buf_init(&buf, 4 * IK_KIB);
  CHECK(ik_topo_write_ack(&buf, id) == 0);
  const struct ik_str text = {(const char *)ik_buf_ptr(&buf), ik_buf_size(&buf)};
  CHECK(ik_json_parse(text, &json, NULL) == 0);
  ik_json_free(&json);
  ik_buf_free(&buf);
}

/* The text as a topic: its names lie within it. */
static void check_names(enum ik_topo_push push, struct ik_str topic) {
  struct ik_str key;
  struct ik_str name;
  if (!ik_topo_push_names(push, topic, &key, &name)) return;
  CHECK(key.len > 0 && key.ptr > topic.ptr && name.len > 0 && name.ptr > key.ptr + key.len);
  CHECK(name.ptr + name.len <= topic.ptr + topic.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_topo_message message;
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (size == 0) return 0;
  const unsigned kind = data[0] % (IK_TOPO_PUSHES + 1);
  size--;
  char *bytes = malloc(size + 1);
  CHECK(bytes != NULL);
  memcpy(bytes, data + 1, size);
  const struct ik_str text = {bytes, size};
  if (kind < IK_TOPO_PUSHES) check_names((enum ik_topo_push)kind, text);
  const int rc = kind == IK_TOPO_PUSHES
                     ? ik_topo_read_reply(text, &message, detail)
                     : ik_topo_read_push((enum ik_topo_push)kind, text, &message, detail);
  free(bytes); /* nothing in the message may point into it */
  CHECK(rc <= 0 && memchr(detail, '\0', sizeof(detail)) != NULL);
  if (rc == 0) {
    check_message(&message);
    check_ack(message.id);
  }
  ik_topo_message_free(&message);
  return 0;
}
