/*
 * over.h - a connection that is the program's as a carrier: iotkit_over.h without the channel.
 *
 * Any thread. The transport's functions are called with no lock held; subscribe and unsubscribe by
 * one thread at a time, so that what the broker hears last is what holds.
 */
#ifndef IK_CHANNEL_OVER_H
#define IK_CHANNEL_OVER_H

#include "channel/carrier.h"
#include "iotkit_over.h"

struct ik_over;

/* `transport` is complete. IK_ENO_MEMORY. Begins disconnected. */
int ik_over_new(const struct iotkit_transport *transport, struct ik_over **out);
/* Every handler is unsubscribed, and no thread is in a call. NULL is allowed. */
void ik_over_free(struct ik_over *over);
struct ik_carrier *ik_over_face(struct ik_over *over);

/* As iotkit_ota_feed(), _connected() and _disconnected(). */
int ik_over_feed(struct ik_over *over, const char *topic, size_t topic_len, const uint8_t *payload,
                 size_t payload_len, bool dup);
int ik_over_connected(struct ik_over *over);
void ik_over_disconnected(struct ik_over *over);

#endif
