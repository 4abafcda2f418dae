/*
 * gateway_rig.h - a gateway over an MQTT client on a stream in memory and a fake clock; the platform is
 * the rig, which notes what it is asked and answers as the test says.
 */
#ifndef TEST_GATEWAY_RIG_H
#define TEST_GATEWAY_RIG_H

#include "iotkit_gateway.h"
#include "support/client_rig.h"

#define GR_LOGINS_MAX 4096

struct gateway_rig {
  struct client_rig *client;
  iotkit_gateway_t *gateway;
  char said[16384];    /* what the client published, one text a message: "login:dn1 " */
  char heard[16384];   /* events and answers, likewise */
  char filters[16384]; /* what was subscribed: "topic " */
  char payload[65536]; /* of the last publish */
  char topic[256];
  /* How the platform answers requests: code 0: not at all. */
  unsigned code;
  const char *data;    /* "data" of failures, and of what is not a login */
  unsigned bad;        /* with another code than 200 only logins that have this many or more */
  const char *culprit; /* answers logins with `code` only if they name this device; NULL: all */
  /* Each sub-device that was asked to be logged in: when. */
  uint64_t login_ms[GR_LOGINS_MAX];
  size_t logins;
  unsigned messages; /* publishes of any kind */
  unsigned qos1;     /* of them those with QoS 1 */
  void (*on_event)(struct gateway_rig *rig, const struct iotkit_gateway_event *event);
};

struct gateway_rig *gr_new(const struct iotkit_gateway_options *given);
void gr_free(struct gateway_rig *rig);
/* Steps, plays the platform, until nothing moves at this time. */
void gr_run(struct gateway_rig *rig);
/* The clock goes on by that much, in steps at the client's deadlines. */
void gr_pass(struct gateway_rig *rig, uint64_t ms);
/* Connects, whatever was before. */
void gr_connect(struct gateway_rig *rig);
/* The connection breaks. */
void gr_drop(struct gateway_rig *rig);
/* The platform publishes. */
void gr_push(struct gateway_rig *rig, const char *topic, const char *payload);
/* The id of a request. */
unsigned gr_id(const char *payload);
/* Compares and forgets. */
void gr_assert_said(struct gateway_rig *rig, const char *want);
void gr_assert_heard(struct gateway_rig *rig, const char *want);
/* An answer function: notes "name error code [pk/dn …]" after `ctx`, which is the request's name. */
void gr_on_answer(void *ctx, iotkit_gateway_t *gateway, const struct iotkit_gateway_answer *answer);
extern struct gateway_rig *gr_current; /* whom gr_on_answer notes for */

#endif
