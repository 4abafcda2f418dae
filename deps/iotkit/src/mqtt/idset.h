/*
 * idset.h - a set of packet identifiers, and the next one that is not in it. Memory follows what is
 * in it.
 */
#ifndef IK_MQTT_IDSET_H
#define IK_MQTT_IDSET_H

#include <stdbool.h>
#include <stdint.h>

#define IK_MQTT_ID_PAGE 1024 /* identifiers of one page */
#define IK_MQTT_ID_PAGES (65536 / IK_MQTT_ID_PAGE)

struct ik_mqtt_id_page;

struct ik_mqtt_idset {
  struct ik_mqtt_id_page **pages; /* owned, as each of them; NULL: nothing of it is in the set */
  uint32_t count;
  uint16_t last; /* given out most recently */
};

void ik_mqtt_idset_init(struct ik_mqtt_idset *set);
/* Empties it and gives the memory back. */
void ik_mqtt_idset_clear(struct ik_mqtt_idset *set);
bool ik_mqtt_idset_has(const struct ik_mqtt_idset *set, uint16_t id);
/* 1: added, 0: was in it already, IK_ENO_MEMORY. */
int ik_mqtt_idset_add(struct ik_mqtt_idset *set, uint16_t id);
void ik_mqtt_idset_remove(struct ik_mqtt_idset *set, uint16_t id);
/* Adds the next free identifier and returns it, 1 to 65,535; IK_EQUEUE_FULL, IK_ENO_MEMORY. */
int ik_mqtt_idset_take(struct ik_mqtt_idset *set);

#endif
