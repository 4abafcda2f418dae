/*
 * JSON: whatever is accepted is written again from its nodes, and must read back to the same tree.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

#define OUT_MAX (16 * IK_JSON_TEXT_MAX)

static void write_node(const struct ik_json *json, const struct ik_json_node *node,
                       struct ik_buf *out);

/* Decoded and encoded again; a string with a \u0000, which ik_json_string refuses, as it stands. */
static void write_text(struct ik_str raw, struct ik_buf *out) {
  struct ik_json_node string = {.type = IK_JSON_STRING, .text = raw};
  char *text;
  size_t len;
  if (ik_json_string(&string, raw.len, &text, &len) == 0) {
    CHECK(ik_utf8_valid((const uint8_t *)text, len));
    CHECK(ik_json_write_string(out, (struct ik_str){text, len}) == 0);
    free(text);
    return;
  }
  CHECK(ik_buf_append_u8(out, '"') == 0 && ik_buf_append(out, raw.ptr, raw.len) == 0);
  CHECK(ik_buf_append_u8(out, '"') == 0);
}

static void write_members(const struct ik_json *json, const struct ik_json_node *node,
                          struct ik_buf *out) {
  bool object = node->type == IK_JSON_OBJECT;
  uint32_t count = 0;
  CHECK(ik_buf_append_u8(out, object ? '{' : '[') == 0);
  for (const struct ik_json_node *at = ik_json_first(json, node); at; at = ik_json_next(json, at)) {
    if (count++) CHECK(ik_buf_append_u8(out, ',') == 0);
    if (object) {
      write_text(at->key, out);
      CHECK(ik_buf_append_u8(out, ':') == 0);
    }
    write_node(json, at, out);
  }
  CHECK(count == node->count);
  CHECK(ik_buf_append_u8(out, object ? '}' : ']') == 0);
}

static void write_node(const struct ik_json *json, const struct ik_json_node *node,
                       struct ik_buf *out) {
  uint64_t value;
  if (node->type == IK_JSON_OBJECT || node->type == IK_JSON_ARRAY) {
    write_members(json, node, out);
  } else if (node->type == IK_JSON_STRING) {
    write_text(node->text, out);
  } else {
    CHECK(node->text.len > 0);
    CHECK(ik_buf_append(out, node->text.ptr, node->text.len) == 0);
  }
  if (ik_json_u64(node, &value))
    CHECK(node->type == IK_JSON_NUMBER || node->type == IK_JSON_STRING);
}

/* Every member is found under its own name, or a later one of the same name is. */
static void find_members(const struct ik_json *json) {
  const struct ik_json_node *root = ik_json_root(json);
  for (const struct ik_json_node *at = ik_json_first(json, root); at; at = ik_json_next(json, at)) {
    struct ik_json_node key = {.type = IK_JSON_STRING, .text = at->key};
    char *name;
    if (root->type != IK_JSON_OBJECT || ik_json_string(&key, at->key.len, &name, NULL) != 0)
      continue;
    CHECK(ik_json_get(json, root, name) >= at);
    free(name);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_json json, again;
  struct ik_buf first, second;
  if (ik_json_parse((struct ik_str){(const char *)data, size}, &json, NULL) != 0) return 0;
  ik_buf_init(&first, OUT_MAX);
  ik_buf_init(&second, OUT_MAX);
  find_members(&json);
  write_node(&json, ik_json_root(&json), &first);
  CHECK(ik_json_parse((struct ik_str){(const char *)ik_buf_ptr(&first), ik_buf_size(&first)},
                      &again, NULL) == 0);
  CHECK(again.count == json.count);
  for (uint32_t i = 0; i < json.count; i++) {
    CHECK(again.nodes[i].type == json.nodes[i].type && again.nodes[i].next == json.nodes[i].next);
    CHECK(again.nodes[i].child == json.nodes[i].child &&
          again.nodes[i].count == json.nodes[i].count);
  }
  write_node(&again, ik_json_root(&again), &second);
  CHECK(ik_buf_size(&first) == ik_buf_size(&second));
  CHECK(memcmp(ik_buf_ptr(&first), ik_buf_ptr(&second), ik_buf_size(&first)) == 0);
  ik_buf_free(&first);
  ik_buf_free(&second);
  ik_json_free(&json);
  ik_json_free(&again);
  return 0;
}
