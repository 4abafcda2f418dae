/*
 * gateway_inbox.h - what arrives on a gateway's topics, and the gateway itself, which gateway.c makes.
 */
#ifndef IK_CHANNEL_GATEWAY_INBOX_H
#define IK_CHANNEL_GATEWAY_INBOX_H

#include "channel/client_carrier.h"
#include "channel/sessions.h"
#include "client/companion.h"

struct iotkit_gateway {
  struct ik_mqtt_companion companion; /* first: a pointer to it is one to the whole */
  iotkit_mqtt_t *client;              /* borrowed */
  struct ik_client_carrier carrier;   /* over it; of the line and of the sub-devices' channels */
  void (*on_event)(void *ctx, iotkit_gateway_t *gateway, const struct iotkit_gateway_event *event);
  void *ctx;
  struct ik_line line; /* the gateway's own; its mutex guards `sessions` */
  struct ik_sessions sessions;
  atomic_uintptr_t callback_thread; /* in a handler or a step; 0: none */
  atomic_bool closing;              /* no request is accepted any more */
  /* driver thread */
  unsigned connects; /* of the connection whose sessions these are; 0: none */
  /* whoever makes and frees */
  size_t subscribed;
  size_t listening;
};

/* Subscribes all topics. After an error, too, ik_gateway_unsubscribe() takes back what was done. */
int ik_gateway_subscribe(iotkit_gateway_t *gateway, char *detail);
/* Waits for handlers that run on another thread. */
void ik_gateway_unsubscribe(iotkit_gateway_t *gateway);

/* Around whatever may run the program's callbacks. Driver thread. */
void ik_gateway_enter(iotkit_gateway_t *gateway);
void ik_gateway_leave(iotkit_gateway_t *gateway);
/* The end of a request: `message`, or NULL and why there is none. Driver thread. */
void ik_gateway_finish(iotkit_gateway_t *gateway, const struct ik_topo_request *request, int error,
                       const struct ik_topo_message *message, const char *words);
/* An event for the program; `ctx` is the gateway. Driver thread. */
void ik_gateway_notify(void *ctx, const struct iotkit_gateway_event *event);

#endif
