/*
 * subs.h - the subscription table: which filters, and which handlers each has.
 *
 * Filters without wildcards are found by hash, the others are matched one by one. Handlers are
 * counted references, so that one can be called outside the caller's lock while it is being
 * removed. No I/O, no clock, no lock.
 */
#ifndef IK_MQTT_SUBS_H
#define IK_MQTT_SUBS_H

#include "base/buf.h"

struct ik_mqtt_request;

/*
 * A callback of the layer above; `fn` is only compared here. fn NULL: the messages are the client's
 * own.
 */
struct ik_mqtt_handler {
  struct ik_mqtt_handler *next;
  void (*fn)(void);
  void *ctx;
  uint32_t refs;
  uint8_t qos;
  bool removed; /* unsubscribed: must not be called any longer */
};

enum ik_mqtt_sub_state {
  IK_MQTT_SUB_NEW = 0, /* the broker has not been asked since the session began → ASKED         */
  /* SUBSCRIBE was sent → NEW, GRANTED, REFUSED */
  IK_MQTT_SUB_ASKED,
  IK_MQTT_SUB_GRANTED, /* SUBACK came                                           → NEW, ASKED    */
  IK_MQTT_SUB_REFUSED  /* SUBACK said no                                        → NEW, ASKED    */
};

struct ik_mqtt_sub {
  struct ik_mqtt_sub *hash_next;
  struct ik_mqtt_sub *prev, *next;  /* all of them, or the wild ones: see ik_mqtt_subs */
  struct ik_mqtt_handler *handlers; /* owned references, in order of subscribing */
  struct ik_mqtt_request *request;  /* the SUBSCRIBE under way, or NULL; not owned */
  struct ik_str filter;             /* bytes that follow this struct */
  uint32_t hash;
  enum ik_mqtt_sub_state state;
  bool wild;
  bool local; /* never asked of the broker: somebody else subscribes what it matches */
};

struct ik_mqtt_subs {
  struct ik_mqtt_sub **buckets; /* owned */
  size_t bucket_count;
  size_t count;
  size_t max;
  struct ik_mqtt_sub *exact; /* list of those without wildcards; owned */
  struct ik_mqtt_sub *wild;  /* list of those with; owned */
};

void ik_mqtt_subs_init(struct ik_mqtt_subs *subs, size_t max);
void ik_mqtt_subs_deinit(struct ik_mqtt_subs *subs);
struct ik_mqtt_sub *ik_mqtt_subs_find(const struct ik_mqtt_subs *subs, struct ik_str filter);
/* Finds or makes. IK_EQUEUE_FULL above `max`, IK_ENO_MEMORY. The filter is valid and is copied. */
int ik_mqtt_subs_add(struct ik_mqtt_subs *subs, struct ik_str filter, struct ik_mqtt_sub **out);
/* Removes a subscription that has no handlers left, and frees it. */
void ik_mqtt_subs_remove(struct ik_mqtt_subs *subs, struct ik_mqtt_sub *sub);
/*
 * The first of all, and the one after it; the current one may be removed once its successor is
 * known.
 */
struct ik_mqtt_sub *ik_mqtt_subs_first(const struct ik_mqtt_subs *subs);
struct ik_mqtt_sub *ik_mqtt_subs_next(const struct ik_mqtt_subs *subs,
                                      const struct ik_mqtt_sub *sub);

/* Adds a handler, or renews the QoS of the same one. IK_ENO_MEMORY. */
int ik_mqtt_sub_add_handler(struct ik_mqtt_sub *sub, void (*fn)(void), void *ctx, uint8_t qos);
/* Takes a handler out and returns it with the table's reference; NULL: not there. */
struct ik_mqtt_handler *ik_mqtt_sub_take_handler(struct ik_mqtt_sub *sub, void (*fn)(void),
                                                 void *ctx);
/* The highest QoS any of its handlers asked for. */
uint8_t ik_mqtt_sub_qos(const struct ik_mqtt_sub *sub);
void ik_mqtt_handler_unref(struct ik_mqtt_handler *handler);

/* The handlers whose filter matches a topic, each with a reference; small lists live in place. */
struct ik_mqtt_matches {
  struct ik_mqtt_handler **list;
  struct ik_mqtt_handler *in_place[8];
  size_t count;
  size_t cap;
};

/*
 * IK_ENO_MEMORY: nothing is held. A handler stands in the list once for each of its filters that
 * match.
 */
int ik_mqtt_subs_match(const struct ik_mqtt_subs *subs, struct ik_str topic,
                       struct ik_mqtt_matches *out);
/* Gives the references back, and the list. */
void ik_mqtt_matches_free(struct ik_mqtt_matches *matches);

#endif
