/*
 * mqtt_client.h - the MQTT client's inside, for the files of src/api alone.
 *
 * A client is a session, a transport, a back-off and a lock. What stands under "lock" is touched
 * with the mutex held; what stands under "stepping thread" belongs to the one thread that steps or
 * yields, without the mutex. The mutex is never held while a callback or the waker runs, nor while
 * bytes are read or written.
 */
#ifndef IK_MQTT_CLIENT_H
#define IK_MQTT_CLIENT_H

#include "../base/backoff.h"
#include "../mqtt/session.h"
#include "../net/transport.h"
#include "../port/port.h"
#include "iotkit_mqtt.h"

/* A thread that would step the client as soon as nobody else does. */
struct ik_mqtt_turn {
  struct ik_wake *wake;
  struct ik_mqtt_turn *next;
};

struct iotkit_mqtt {
  /* fixed */
  struct ik_mutex *mutex;
  struct ik_cond *cond; /* a handler, a waker or a stepping thread has come to its end */
  char *host;
  iotkit_tls_t *tls;
  uint16_t port;
  bool no_reconnect;
  uint32_t connect_timeout_ms;
  iotkit_mqtt_event_fn on_event;
  void *ctx;
  ik_dial_fn dial;
  void *dial_ctx;

  /* lock */
  struct ik_mqtt_session session; /* its reader: stepping thread */
  enum iotkit_mqtt_state state;
  bool start_wanted;
  bool stop_wanted;
  bool paused;
  bool due; /* a step would find something to do at once */
  /* somebody sleeps by what deadline() said: call the waker when that is no longer true */
  bool armed;
  bool interrupted;
  uintptr_t stepper;          /* the thread that steps or yields, 0: none */
  uintptr_t last_stepper;     /* the one that did last */
  bool blocking;              /* … through the blocking face */
  bool pumped;                /* the stepper is a fetch */
  struct ik_mqtt_turn *turns; /* who waits for the stepper to leave */
  const struct ik_mqtt_handler *running;
  uint32_t waking; /* calls of the waker under way */
  /* OTA handles with something to fetch, but for those that a thread is fetching at this moment */
  int32_t fetching;
  void (*wake)(void *ctx);
  void *wake_ctx;
  struct ik_wake *yield_wake; /* made by the first yield */
  void *loop_node;
  int fd; /* as of the end of the last step */
  int interest;
  uint64_t deadline_ms;

  /* stepping thread */
  struct ik_transport *transport;
  struct ik_buf sending; /* taken from the session, partly written */
  struct ik_buf input;   /* read, but not handled within one step's share */
  struct ik_backoff backoff;
  uint64_t connect_end_ms;
  uint64_t connected_ms;
  uint64_t retry_ms;
  uint64_t stop_end_ms; /* UINT64_MAX until a stop was seen */
  uint64_t handled;     /* packets and changes of state, ever */
  bool open;            /* the transport is open and CONNECT is queued */
  bool more;            /* the step's share was used up, or bytes wait inside the transport */
};

/* As iotkit_mqtt_new, over streams that `dial` opens. */
int ik_mqtt_new_over(const struct iotkit_mqtt_options *given, ik_dial_fn dial, void *dial_ctx,
                     iotkit_mqtt_t **out, char *detail);
/* Becomes the stepping thread: 0, IK_EIN_CALLBACK, IK_EBUSY, IK_ECLOSED. */
int ik_mqtt_enter(iotkit_mqtt_t *client, bool blocking);
void ik_mqtt_leave(iotkit_mqtt_t *client);
/* One step of the stepping thread. */
void ik_mqtt_run(iotkit_mqtt_t *client, uint64_t now_ms);
/* The loop of iotkit_mqtt_yield, for a caller who has become the stepping thread already. */
int ik_mqtt_yield_entered(iotkit_mqtt_t *client, uint32_t timeout_ms);
/*
 * For a fetch, which blocks its thread and needs the client stepped: becomes the stepping thread if
 * nobody else would step: no loop has the client, and it is used through the blocking face or this
 * thread was the last to step it. IK_EAGAIN: somebody else does or will; `turn` (with its wake set)
 * is then told when one who yields has left, until ik_mqtt_drop_turn().
 */
int ik_mqtt_enter_pump(iotkit_mqtt_t *client, struct ik_mqtt_turn *turn);
void ik_mqtt_drop_turn(iotkit_mqtt_t *client, const struct ik_mqtt_turn *turn);
/*
 * Steps, and waits unless that brought something, until a packet or a change of state was handled,
 * `also` is signalled, or `until_ms`. 0, IK_ECLOSED, or why it could not wait.
 */
int ik_mqtt_pump_entered(iotkit_mqtt_t *client, struct ik_wake *also, uint64_t until_ms);
/* With the mutex held: a step is due. Unlocks, and wakes who sleeps. */
void ik_mqtt_poke_unlock(iotkit_mqtt_t *client);
/* With the mutex held: when to step next; 0: at once. */
uint64_t ik_mqtt_next_ms(const iotkit_mqtt_t *client);

/* For the loop: what it keeps for a client, and whether the socket is read. */
void **ik_mqtt_loop_node(iotkit_mqtt_t *client);
void ik_mqtt_set_paused(iotkit_mqtt_t *client, bool paused, uint64_t now_ms);

/*
 * An OTA handle of this client has something to fetch (+1) or no more (-1), or a thread fetches it
 * (-1, then +1). While one waits for its next fetch, IOT_MQTT_Yield does not wait.
 */
void ik_mqtt_fetching(iotkit_mqtt_t *client, int change);
bool ik_mqtt_is_fetching(iotkit_mqtt_t *client);

#endif
