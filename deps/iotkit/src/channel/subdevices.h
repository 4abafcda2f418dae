/*
 * subdevices.h - the sub-devices of a gateway: who they are, who is to be logged in, whose turn it is
 * and when. No I/O, no clock, no lock: its owner brings the time, publishes, and guards it.
 *
 *   state     meaning                                     what ends it → the next state
 *   OUT       not to be logged in now                     login → WAITING
 *   WAITING   in the queue of those to be logged in       its turn → ASKED; logout → OUT
 *   ASKED     in a login that was published               success → IN; refused → REFUSED; throttled, no
 *                                                         answer, another's fault → WAITING
 *   IN        logged in                                   logout → LEAVING; lost connection, a missing
 *                                                         session → WAITING; kicked, disabled → OUT
 *   REFUSED   the platform said no                        login, another connection → WAITING
 *   LEAVING   in the queue of those to be logged out,     answer, lost connection → OUT
 *             or in a logout that was published
 */
#ifndef IK_CHANNEL_SUBDEVICES_H
#define IK_CHANNEL_SUBDEVICES_H

#include "alink/topology.h"
#include "base/backoff.h"
#include "base/limits.h"

enum ik_subdevice_state {
  IK_SUB_OUT = 0,
  IK_SUB_WAITING,
  IK_SUB_ASKED,
  IK_SUB_IN,
  IK_SUB_REFUSED,
  IK_SUB_LEAVING
};

struct ik_subdevice {
  struct ik_subdevice *hash_next;
  struct ik_subdevice *queue_next; /* of WAITING and of LEAVING before its message */
  void *owner;                     /* set once by whoever makes it */
  void *channel;                   /* its owner's; NULL: none. While it has one, it stays */
  char *secret;                    /* owned; the client id follows its NUL, "" for the usual one */
  uint32_t hash;
  uint32_t message_id; /* of ASKED and LEAVING: the message; 0: none yet */
  uint8_t state;       /* enum ik_subdevice_state */
  uint8_t method;      /* enum iotkit_sign_method */
  uint8_t key_size;    /* of the product key, its NUL included */
  bool wanted : 1;     /* to be logged in */
  bool forgotten : 1;  /* by its program: goes with the next reaping */
  bool alone : 1;      /* a batch with it has failed, and nobody knows whose fault it was */
  bool disabled : 1;   /* by the operator */
  bool keep_session : 1;
  bool reports : 1;                 /* in its owner's queue of those with something to report */
  struct ik_subdevice *report_next; /* its owner's */
  char names[];                     /* product key, device name */
};

struct ik_subdevices {
  struct ik_subdevice **buckets; /* owned, and what hangs on them */
  size_t bucket_count;
  size_t count;
  struct ik_subdevice *queue, **queue_end;
  bool has_forgotten; /* there may be some to reap */
  uint64_t next_ms;   /* not before: the platform's rates */
  struct ik_backoff backoff;
};

void ik_subdevices_init(struct ik_subdevices *subs);
/* Wipes the secrets. No channel may be left. */
void ik_subdevices_deinit(struct ik_subdevices *subs);
const char *ik_subdevice_key(const struct ik_subdevice *sub);
const char *ik_subdevice_name(const struct ik_subdevice *sub);
/* NULL: not known. */
struct ik_subdevice *ik_subdevices_find(const struct ik_subdevices *subs, struct ik_str product_key,
                                        struct ik_str device_name);
/*
 * The first, or the one after it, of those in the state; with `message_id` not 0 only of that message.
 * `after` NULL: from the beginning. NULL: no more.
 */
struct ik_subdevice *ik_subdevices_next(const struct ik_subdevices *subs,
                                        const struct ik_subdevice *after,
                                        enum ik_subdevice_state state, uint32_t message_id);
/*
 * The device is to be logged in, with this identity (it was checked). IK_ESUBDEVICE_LIMIT,
 * IK_ENO_MEMORY: nothing has changed. *is_new: it was not known before.
 */
int ik_subdevices_want(struct ik_subdevices *subs, const struct ik_topo_device *device,
                       struct ik_subdevice **out, bool *is_new);
/* The device is not to be logged in. Its secret is wiped at the next reaping. */
void ik_subdevices_unwant(struct ik_subdevices *subs, struct ik_subdevice *sub);
/* Its program does not need it any more; it goes once it is OUT and has no channel. */
void ik_subdevices_forget(struct ik_subdevices *subs, struct ik_subdevice *sub);
/* Whether any of them has a channel. */
bool ik_subdevices_have_channel(const struct ik_subdevices *subs);
/* Frees those that were forgotten, are OUT and have no channel. */
void ik_subdevices_reap(struct ik_subdevices *subs);
/* Moves it into another state; into and out of the queue as that says. */
void ik_subdevices_set(struct ik_subdevices *subs, struct ik_subdevice *sub,
                       enum ik_subdevice_state state);
/* The connection is lost, or there is a new one: whoever is wanted waits for its turn, others are OUT. */
void ik_subdevices_restart(struct ik_subdevices *subs, uint64_t now_ms);

/*
 * Takes the next message's sub-devices out of the queue: all to be logged in (*action LOGIN or
 * LOGIN_BATCH) or out, at most 50, in the given state with `message_id`. 0: none waits, or it is not
 * time yet.
 */
size_t ik_subdevices_take(struct ik_subdevices *subs, uint64_t now_ms, uint32_t message_id,
                          struct ik_subdevice *batch[IK_LOGINS_MAX], enum ik_topo_action *action);
/* When take() gives some at the earliest; UINT64_MAX: none waits. */
uint64_t ik_subdevices_due(const struct ik_subdevices *subs);
/* The platform is to be left alone for a while: it was throttled, or did not answer. */
void ik_subdevices_back_off(struct ik_subdevices *subs, uint64_t now_ms, uint32_t random);
/* It answered as it should. */
void ik_subdevices_go_on(struct ik_subdevices *subs);
/* As a request needs it; the texts are the caller's. */
struct ik_topo_device ik_subdevice_as_asked(const struct iotkit_subdevice *given);
/* The identity for a request; its texts are the sub-device's. */
struct ik_topo_device ik_subdevice_identity(const struct ik_subdevice *sub);

#endif
