/*
 * client.h - the room of the MQTT client: iotkit_mqtt_* and iotkit_loop_*, over mqtt/ (the session)
 * and net/ (the stream). It may include base, mqtt, net, core, port and the public headers, and
 * knows nothing of what goes over the connection: no OTA, no published API.
 *
 *   claim                  which identity is connected already
 *   client                 state, life, and what it waits for              above claim
 *   read_pace, publish_rate, connect_rate   how much comes and goes, how often; no clock
 *   opening_turns          how many connections a loop opens at a time; no clock
 *   wire                   bytes from and to the socket                      above client
 *   companion              what lives on a client and is driven with it      above client
 *   driver, events, wait   who drives it; callbacks; how a driver waits      above client, wire
 *   outgoing               publish, subscribe and their like                 above driver
 *   step                   what a driver does                     above driver, events, companion
 *   yield, pump, loop      the three ways to drive                           above step
 *
 * A client is a session, a transport, a back-off and a lock. Members under "lock" are touched with
 * the mutex held; those under "driver thread" belong to the thread that drives the client, without
 * the mutex. The mutex is never held while a callback or the waker runs, nor while bytes are read
 * or written.
 *
 * ---- Who drives the client ----
 *
 * To drive is to step. One thread at a time does, from enter to leave:
 *
 *                 loop or step             yield                    pump (a fetch that needs MQTT)
 *   entered by    iotkit_mqtt_step         iotkit_mqtt_yield        ik_mqtt_pump
 *   driver        the thread, meanwhile    the thread, meanwhile    the thread, meanwhile
 *   last_driver   the thread, afterwards too: it may pump
 *   blocking      false, also afterwards   true, also afterwards:   as it was
 *                                          any thread may pump
 *   pumped        false                    false                    true: a yield of another thread
 *                                                                   waits instead of IK_EBUSY
 *   loop_node     the loop's, from add to  NULL                     NULL, else it does not drive
 *                 remove
 *   waker_armed   since deadline() was     while it waits: signal   while it waits: signal
 *                 asked: call the waker    yield_wake               yield_wake
 *   step_due      deadline() is 0          it does not wait         it does not wait
 *   interrupted   not looked at            ends it or the next one  not looked at
 *   paused        set by the loop: the     as the loop left it      as the loop left it
 *                 socket is not read
 *
 * What other threads queue meanwhile is written by the driver, at the latest when it leaves. A call
 * that sends while nobody drives, and nobody set a waker, drives the client itself for one flush
 * (outgoing): `flushing`, for which those who would drive wait instead of IK_EBUSY. A flush writes
 * and looks for the end of the stream; it leaves last_driver, blocking and waker_armed as they are,
 * and runs no callback.
 *
 * Set by any thread, taken up by the next step, whoever takes it: start_wanted (by
 * iotkit_mqtt_start; counts while IDLE) and stop_wanted (by iotkit_mqtt_stop; never taken back, and
 * from then on no request is accepted).
 */
#ifndef IK_CLIENT_CLIENT_H
#define IK_CLIENT_CLIENT_H

#include "base/backoff.h"
#include "client/claim.h"
#include "client/connect_rate.h"
#include "client/publish_rate.h"
#include "client/read_pace.h"
#include "iotkit_mqtt.h"
#include "mqtt/session.h"
#include "net/transport.h"
#include "port/port.h"

struct ik_mqtt_waiter;
struct ik_mqtt_companion;

struct iotkit_mqtt {
  /* fixed */
  struct ik_mutex *mutex;
  struct ik_cond *cond; /* a handler or a waker has returned, or a driver has left */
  char *host;
  struct ik_claim *claim; /* of its identity at the broker */
  iotkit_tls_t *tls;
  uint16_t port;
  bool no_reconnect;
  uint32_t connect_timeout_ms;
  iotkit_mqtt_event_fn on_event;
  void *ctx;
  ik_dial_fn dial;
  void *dial_ctx;

  /* lock */
  struct ik_mqtt_session session; /* its reader: driver thread */
  struct ik_publish_rate qos0;    /* what was published with QoS 0, by the clock of the port */
  enum iotkit_mqtt_state state; /* written by the driver thread, which reads it without the lock */
  bool start_wanted;
  bool stop_wanted;
  bool paused;
  bool step_due;    /* a step would find something to do right now */
  bool waker_armed; /* a thread waits until deadline_ms: wake it if a step is due earlier */
  bool interrupted;
  bool blocking;
  bool pumped;
  uintptr_t driver; /* 0: none */
  bool flushing;    /* the driver is in a call that sends, and leaves at once */
  int broken; /* why a write between two steps failed; 0: none has. The next step reports it */
  uintptr_t last_driver;
  struct ik_mqtt_waiter *waiters;        /* who waits for the driver to leave */
  const struct ik_mqtt_handler *running; /* the handler that the driver is in */
  uint32_t waking;                       /* calls of the waker under way */
  void (*wake)(void *ctx);
  void *wake_ctx;
  struct ik_wake *yield_wake; /* made by the first yield or pump */
  void *loop_node;
  struct ik_mqtt_companion *companions;
  const struct ik_mqtt_companion *accompanied; /* whose on_step the driver is in */
  uint64_t companions_due_ms;                  /* the earliest of theirs */
  unsigned ends;                               /* of connections */
  unsigned connects;                           /* CONNACKs that accepted us */
  int fd;                                      /* these three as of the end of the last step */
  int interest;
  uint64_t deadline_ms;

  /* driver thread */
  struct ik_transport *transport;
  struct ik_buf sending; /* taken from the session, partly written */
  struct ik_buf input;   /* read, but not handled within one step's share */
  struct ik_backoff backoff;
  struct ik_connect_rate connect_rate;
  uint64_t connect_end_ms;
  uint64_t connected_ms;
  uint64_t retry_ms;
  uint64_t stop_end_ms; /* UINT64_MAX until a stop was seen while CONNECTED */
  struct ik_read_pace read_pace;
  uint64_t handled;  /* packets and changes of state, ever */
  uint64_t ahead_ms; /* the last step's clock less the port's; wraps */
  bool open;         /* the transport is open and CONNECT is queued */
  bool finished;     /* DISCONNECT is written, and the sending side is ended */
  bool more;         /* the step's share was used up, or bytes wait inside the transport */
};

/* As iotkit_mqtt_new, over streams that `dial` opens. */
int ik_mqtt_new_over(const struct iotkit_mqtt_options *given, ik_dial_fn dial, void *dial_ctx,
                     iotkit_mqtt_t **out, char *detail);
/* The largest packet that the client takes in, in bytes. Any thread. */
size_t ik_mqtt_max_packet(const iotkit_mqtt_t *client);
/* Another limit for packets that come in. Before the client is started. */
void ik_mqtt_set_max_packet(iotkit_mqtt_t *client, size_t bytes);
/* From now on a lost connection is opened again, whatever `no_reconnect` was. Driver thread. */
void ik_mqtt_allow_reconnect(iotkit_mqtt_t *client);
/* Whether the stream is open, so that CONNECT goes out. By the thread that drove it last. */
bool ik_mqtt_is_open(const iotkit_mqtt_t *client);
/* With the mutex held: a step is due. Unlocks, and wakes the thread that waits. */
void ik_mqtt_poke_unlock(iotkit_mqtt_t *client);
/* With the mutex held: waits until no other thread is in a flush, which does not block. */
void ik_mqtt_await_flush(iotkit_mqtt_t *client);
/* With the mutex held: when to step next; 0: now. */
uint64_t ik_mqtt_next_ms(const iotkit_mqtt_t *client);

/*
 * For the loop: what it keeps for a client. Any thread reads it; ik_mqtt_set_loop_node() gives false
 * if another loop has the client.
 */
void *ik_mqtt_loop_node(iotkit_mqtt_t *client);
bool ik_mqtt_set_loop_node(iotkit_mqtt_t *client, void *node);
/*
 * How many connections have ended: descriptors from before the last end are closed, and their
 * numbers may be another thread's by now.
 */
unsigned ik_mqtt_count_ends(const iotkit_mqtt_t *client);
/*
 * Whether a step at `now_ms` begins to open a connection. If so, the step may be left out, and the waker is called as
 * after iotkit_mqtt_deadline(). By the thread that steps.
 */
bool ik_mqtt_would_open(iotkit_mqtt_t *client, uint64_t now_ms);
/* Whether the socket is read. */
void ik_mqtt_set_paused(iotkit_mqtt_t *client, bool paused, uint64_t now_ms);

#endif
