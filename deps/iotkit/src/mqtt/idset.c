/*
 * idset.c - packet identifiers as a bitmap in pages, each allocated while it has a member.
 */
#include "mqtt/idset.h"

#include <stdlib.h>
#include <string.h>

#include "iotkit_errors.h"

static uint64_t bit_of(uint16_t id) {
  return (uint64_t)1 << (id % 64);
}

static uint64_t *word_of(const struct ik_mqtt_idset *set, uint16_t id) {
  uint64_t *page = set->pages[id / IK_MQTT_ID_PAGE];
  return page ? page + id % IK_MQTT_ID_PAGE / 64 : NULL;
}

void ik_mqtt_idset_init(struct ik_mqtt_idset *set) {
  memset(set, 0, sizeof(*set));
}

void ik_mqtt_idset_clear(struct ik_mqtt_idset *set) {
  const uint16_t last = set->last;
  for (size_t i = 0; i < IK_MQTT_ID_PAGES; i++)
    free(set->pages[i]);
  ik_mqtt_idset_init(set);
  set->last = last;
}

bool ik_mqtt_idset_has(const struct ik_mqtt_idset *set, uint16_t id) {
  const uint64_t *word = word_of(set, id);
  return word && (*word & bit_of(id));
}

int ik_mqtt_idset_add(struct ik_mqtt_idset *set, uint16_t id) {
  const size_t page = id / IK_MQTT_ID_PAGE;
  if (ik_mqtt_idset_has(set, id)) return 0;
  if (!set->pages[page]) set->pages[page] = calloc(IK_MQTT_ID_PAGE / 64, sizeof(uint64_t));
  if (!set->pages[page]) return IK_ENO_MEMORY;
  *word_of(set, id) |= bit_of(id);
  set->used[page]++;
  set->count++;
  return 1;
}

void ik_mqtt_idset_remove(struct ik_mqtt_idset *set, uint16_t id) {
  const size_t page = id / IK_MQTT_ID_PAGE;
  if (!ik_mqtt_idset_has(set, id)) return;
  *word_of(set, id) &= ~bit_of(id);
  set->count--;
  if (--set->used[page]) return;
  free(set->pages[page]);
  set->pages[page] = NULL;
}

int ik_mqtt_idset_take(struct ik_mqtt_idset *set) {
  if (set->count >= UINT16_MAX) return IK_EQUEUE_FULL;
  uint16_t id = set->last;
  do {
    id++;
  } while (!id || ik_mqtt_idset_has(set, id));
  const int rc = ik_mqtt_idset_add(set, id);
  if (rc < 0) return rc;
  set->last = id;
  return id;
}
