/*
 * idset.c - packet identifiers as a bitmap in pages, each allocated while it has a member, as is the
 * table of the pages.
 */
#include "mqtt/idset.h"

#include <stdlib.h>
#include <string.h>

#include "iotkit_errors.h"

struct ik_mqtt_id_page {
  uint64_t words[IK_MQTT_ID_PAGE / 64];
  uint16_t used;
};

static uint64_t bit_of(uint16_t id) {
  return (uint64_t)1 << (id % 64);
}

static uint64_t *word_of(const struct ik_mqtt_idset *set, uint16_t id) {
  struct ik_mqtt_id_page *page = set->pages ? set->pages[id / IK_MQTT_ID_PAGE] : NULL;
  return page ? page->words + id % IK_MQTT_ID_PAGE / 64 : NULL;
}

void ik_mqtt_idset_init(struct ik_mqtt_idset *set) {
  memset(set, 0, sizeof(*set));
}

void ik_mqtt_idset_clear(struct ik_mqtt_idset *set) {
  const uint16_t last = set->last;
  for (size_t i = 0; set->pages && i < IK_MQTT_ID_PAGES; i++)
    free(set->pages[i]);
  free(set->pages);
  ik_mqtt_idset_init(set);
  set->last = last;
}

bool ik_mqtt_idset_has(const struct ik_mqtt_idset *set, uint16_t id) {
  const uint64_t *word = word_of(set, id);
  return word && (*word & bit_of(id));
}

/* That of `id`, made if it is not there; NULL: out of memory. */
static struct ik_mqtt_id_page *need_page(struct ik_mqtt_idset *set, uint16_t id) {
  if (!set->pages) set->pages = calloc(IK_MQTT_ID_PAGES, sizeof(struct ik_mqtt_id_page *));
  if (!set->pages) return NULL;
  struct ik_mqtt_id_page **page = &set->pages[id / IK_MQTT_ID_PAGE];
  if (!*page) *page = calloc(1, sizeof(**page));
  return *page;
}

int ik_mqtt_idset_add(struct ik_mqtt_idset *set, uint16_t id) {
  if (ik_mqtt_idset_has(set, id)) return 0;
  struct ik_mqtt_id_page *page = need_page(set, id);
  if (!page) return IK_ENO_MEMORY;
  *word_of(set, id) |= bit_of(id);
  page->used++;
  set->count++;
  return 1;
}

void ik_mqtt_idset_remove(struct ik_mqtt_idset *set, uint16_t id) {
  if (!ik_mqtt_idset_has(set, id)) return;
  struct ik_mqtt_id_page **page = &set->pages[id / IK_MQTT_ID_PAGE];
  *word_of(set, id) &= ~bit_of(id);
  set->count--;
  if (--(*page)->used == 0) {
    free(*page);
    *page = NULL;
  }
  if (set->count == 0) ik_mqtt_idset_clear(set);
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
