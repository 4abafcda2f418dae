/*
 * topic.c - topic names and filters. Pure functions over texts that the caller owns.
 */
#include "mqtt/topic.h"

#include <string.h>

#include "base/limits.h"

static bool text_valid(struct ik_str text) {
  return text.len > 0 && text.len <= IK_MQTT_TOPIC_MAX && !memchr(text.ptr, 0, text.len) &&
         ik_utf8_valid((const uint8_t *)text.ptr, text.len);
}

bool ik_mqtt_topic_name_valid(struct ik_str name) {
  return text_valid(name) && !ik_mqtt_topic_filter_is_wild(name);
}

bool ik_mqtt_topic_filter_valid(struct ik_str filter) {
  if (!text_valid(filter)) return false;
  for (size_t i = 0; i < filter.len; i++) {
    const char c = filter.ptr[i];
    if (c != '+' && c != '#') continue;
    const bool last = i + 1 == filter.len;
    if (i > 0 && filter.ptr[i - 1] != '/') return false;
    if (c == '#' && !last) return false;
    if (c == '+' && !last && filter.ptr[i + 1] != '/') return false;
  }
  return true;
}

bool ik_mqtt_topic_filter_is_wild(struct ik_str filter) {
  return memchr(filter.ptr, '+', filter.len) || memchr(filter.ptr, '#', filter.len);
}

/*
 * Cuts the first level off; false: there was none left. `text->ptr` NULL stands for "all levels
 * taken".
 */
static bool next_level(struct ik_str *text, struct ik_str *level) {
  if (!text->ptr) return false;
  const char *slash = memchr(text->ptr, '/', text->len);
  if (!slash) {
    *level = *text;
    *text = (struct ik_str){NULL, 0};
    return true;
  }
  *level = (struct ik_str){text->ptr, (size_t)(slash - text->ptr)};
  *text = (struct ik_str){slash + 1, text->len - level->len - 1};
  return true;
}

bool ik_mqtt_topic_matches(struct ik_str filter, struct ik_str name) {
  struct ik_str want, have;
  if (!filter.len || !name.len) return false;
  if (name.ptr[0] == '$' && (filter.ptr[0] == '+' || filter.ptr[0] == '#')) return false;
  while (next_level(&filter, &want)) {
    if (want.len == 1 && want.ptr[0] == '#') return true;
    if (!next_level(&name, &have)) return false;
    if (want.len == 1 && want.ptr[0] == '+') continue;
    if (!ik_str_eq(want, have)) return false;
  }
  return !name.ptr;
}
