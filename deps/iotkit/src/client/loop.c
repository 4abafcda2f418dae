/*
 * loop.c - one thread that drives any number of clients: a poller for their descriptors, a binary
 * heap for their deadlines, a list of those that another thread woke, another of those that wait for their turn to
 * open a connection, and a queue of posted work.
 *
 * A node stands for a client from add to remove. The mutex guards what other threads reach: the
 * woken list, the posted work and the stop flag; what is posted or stopped is signalled with it held,
 * so that a loop may be freed as soon as what was posted has run. Everything else belongs to the loop's thread. A
 * removed node is freed once the round of events that may still name it is over.
 */
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/heap.h"
#include "client/opening_turns.h"
#include "client/wait.h"
#include "iotkit_loop.h"
#include "port/port.h"

#define EVENTS 256
#define BUSY_MS 10 /* a client that another thread drives is tried again after this */

struct node {
  struct ik_heap_item item; /* first: its deadline, and its place in the heap */
  struct iotkit_loop *loop;
  iotkit_mqtt_t *client;   /* NULL: removed */
  struct node *next_woken; /* mutex */
  struct node *next;       /* of the loop's dead, spare or waiting ones */
  struct node *prev;       /* of the waiting ones */
  uint32_t turn;           /* of opening_turns.h, while it opens its connection; 0: it has none */
  bool waits;              /* for a turn */
  bool woken;              /* mutex */
  int fd;                  /* as the poller knows it, -1: not at all */
  int interest;
  unsigned ends; /* of the client's connections, when `fd` became known to the poller */
  bool opening;  /* the last step left the client CONNECTING: the next one may close `fd` */
};

struct work {
  struct work *next;
  void (*fn)(void *arg);
  void *arg;
};

struct iotkit_loop {
  struct ik_poller *poller;
  struct ik_wake *wake;
  struct ik_heap heap;
  struct node *dead;  /* removed in this round: a step may be in one of them */
  struct node *spare; /* removed before, see recycle_removed() */
  struct ik_opening_turns turns;
  struct node *waiting; /* for a turn to open their connections: the first, */
  struct node *last_waiting;
  struct ik_mutex *mutex;
  bool stop;          /* mutex */
  struct node *woken; /* mutex */
  struct work *first; /* mutex; owned */
  struct work *last;  /* mutex */
};

/* ---- life ---- */

static void destroy(struct iotkit_loop *loop) {
  ik_heap_deinit(&loop->heap);
  ik_poller_free(loop->poller);
  ik_wake_free(loop->wake);
  ik_mutex_free(loop->mutex);
  free(loop);
}

int iotkit_loop_new(iotkit_loop_t **out) {
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  struct iotkit_loop *loop = calloc(1, sizeof(*loop));
  if (!loop) return IK_ENO_MEMORY;
  loop->mutex = ik_mutex_new();
  int rc = loop->mutex ? ik_poller_new(&loop->poller) : IK_ENO_MEMORY;
  if (rc == 0) rc = ik_wake_new(&loop->wake);
  if (rc == 0) rc = ik_poller_set(loop->poller, ik_wake_fd(loop->wake), IOTKIT_READ, NULL);
  if (rc < 0) {
    destroy(loop);
    return rc;
  }
  *out = loop;
  return 0;
}

/* ---- posted work ---- */

int iotkit_loop_post(iotkit_loop_t *loop, void (*fn)(void *arg), void *arg) {
  if (loop == NULL || fn == NULL) return IK_EINVALID_ARGUMENT;
  struct work *work = malloc(sizeof(*work));
  if (!work) return IK_ENO_MEMORY;
  *work = (struct work){NULL, fn, arg};
  ik_mutex_lock(loop->mutex);
  const bool first = !loop->first;
  if (loop->last)
    loop->last->next = work;
  else
    loop->first = work;
  loop->last = work;
  /* Else an earlier post has signalled, and the queue is taken whole. */
  if (first) ik_wake_signal(loop->wake);
  ik_mutex_unlock(loop->mutex);
  return 0;
}

/* Runs what was posted before now; what that posts is for the next round. False: nothing was. */
static bool run_posted(struct iotkit_loop *loop) {
  ik_mutex_lock(loop->mutex);
  struct work *work = loop->first;
  loop->first = loop->last = NULL;
  ik_mutex_unlock(loop->mutex);
  const bool any = work != NULL;
  while (work) {
    struct work *next = work->next;
    work->fn(work->arg);
    free(work);
    work = next;
  }
  return any;
}

/* ---- clients ---- */

static void on_wake(void *ctx) {
  struct node *node = ctx;
  struct iotkit_loop *loop = node->loop;
  ik_mutex_lock(loop->mutex);
  const bool first = !loop->woken;
  if (!node->woken) {
    node->woken = true;
    node->next_woken = loop->woken;
    loop->woken = node;
  }
  if (first) ik_wake_signal(loop->wake);
  ik_mutex_unlock(loop->mutex);
}

/* An empty one; NULL: out of memory. */
static struct node *new_node(struct iotkit_loop *loop) {
  struct node *node = loop->spare;
  if (!node) return calloc(1, sizeof(*node));
  loop->spare = node->next;
  *node = (struct node){0};
  return node;
}

int iotkit_loop_add(iotkit_loop_t *loop, iotkit_mqtt_t *client) {
  if (!loop || !client) return IK_EINVALID_ARGUMENT;
  struct node *node = new_node(loop);
  if (!node) return IK_ENO_MEMORY;
  node->loop = loop;
  node->client = client;
  node->fd = -1;
  node->item.when_ms = 0; /* step it in this round */
  int rc = ik_mqtt_set_loop_node(client, node) ? 0 : IK_EINVALID_STATE;
  if (rc == 0) {
    rc = ik_heap_push(&loop->heap, &node->item);
    if (rc < 0) (void)ik_mqtt_set_loop_node(client, NULL);
  }
  if (rc < 0) {
    node->client = NULL;
    node->next = loop->spare;
    loop->spare = node;
    return rc;
  }
  iotkit_mqtt_set_waker(client, on_wake, node);
  return 0;
}

/*
 * Lets the poller forget the descriptor. One that was closed the kernel has forgotten already, and its
 * number is not to be named any more: by now another thread may have opened something under it.
 */
static void unregister(struct node *node) {
  struct ik_poller *poller = node->loop->poller;
  if (node->fd >= 0 && node->ends != ik_mqtt_count_ends(node->client))
    ik_poller_forget(poller, node->fd);
  else if (node->fd >= 0)
    (void)ik_poller_set(poller, node->fd, 0, NULL);
  node->fd = -1;
  node->interest = 0;
}

static void remove_from_woken(struct node *node) {
  struct iotkit_loop *loop = node->loop;
  ik_mutex_lock(loop->mutex);
  struct node **link = &loop->woken;
  while (node->woken && *link && *link != node)
    link = &(*link)->next_woken;
  if (node->woken && *link) *link = node->next_woken;
  node->woken = false;
  ik_mutex_unlock(loop->mutex);
}

/* ---- turns to open a connection ---- */

static void wait_for_turn(struct node *node) {
  struct iotkit_loop *loop = node->loop;
  node->waits = true;
  node->next = NULL;
  node->prev = loop->last_waiting;
  *(node->prev ? &node->prev->next : &loop->waiting) = node;
  loop->last_waiting = node;
}

static void wait_no_longer(struct node *node) {
  struct iotkit_loop *loop = node->loop;
  if (!node->waits) return;
  *(node->prev ? &node->prev->next : &loop->waiting) = node->next;
  *(node->next ? &node->next->prev : &loop->last_waiting) = node->prev;
  node->next = node->prev = NULL;
  node->waits = false;
}

/* Only the first of those that wait is due: when there is a turn for it. */
static void call_next(struct iotkit_loop *loop, uint64_t now_ms) {
  if (loop->waiting)
    ik_heap_set(&loop->heap, &loop->waiting->item, ik_opening_turn_next_ms(&loop->turns, now_ms));
}

/* Whether the client may be stepped now; else it waits after those that came before it. */
static bool take_turn(struct node *node, uint64_t now_ms) {
  struct iotkit_loop *loop = node->loop;
  const bool opens = ik_mqtt_would_open(node->client, now_ms);
  const bool first = !loop->waiting || loop->waiting == node;
  const bool goes_on = !opens || (first && ik_opening_turn_take(&loop->turns, now_ms, &node->turn));
  if (goes_on)
    wait_no_longer(node);
  else if (!node->waits)
    wait_for_turn(node);
  if (!goes_on) ik_heap_set(&loop->heap, &node->item, UINT64_MAX);
  call_next(loop, now_ms);
  return goes_on;
}

static void end_turn(struct node *node) {
  if (!node->turn) return;
  ik_opening_turn_end(&node->loop->turns, node->turn);
  node->turn = 0;
  call_next(node->loop, ik_port_now_ms());
}

/* ---- removing ---- */

void iotkit_loop_remove(iotkit_loop_t *loop, iotkit_mqtt_t *client) {
  if (!loop || !client) return;
  struct node *node = ik_mqtt_loop_node(client);
  if (!node || node->loop != loop) return;
  iotkit_mqtt_set_waker(client, NULL, NULL); /* afterwards no thread is in on_wake for it */
  remove_from_woken(node);
  unregister(node);
  wait_no_longer(node);
  ik_heap_remove(&loop->heap, &node->item);
  end_turn(node);
  call_next(loop, ik_port_now_ms()); /* it may have been the one that was due */
  (void)ik_mqtt_set_loop_node(client, NULL);
  node->client = NULL;
  node->next = loop->dead;
  loop->dead = node;
}

/*
 * Removed nodes are used again, and freed with the loop alone: the kernel may report a descriptor
 * that was closed as long as a process that was just forked still holds it, and so its node.
 */
static void recycle_removed(struct iotkit_loop *loop) {
  while (loop->dead) {
    struct node *node = loop->dead;
    loop->dead = node->next;
    node->next = loop->spare;
    loop->spare = node;
  }
}

static void free_nodes(struct node *node) {
  while (node) {
    struct node *next = node->next;
    free(node);
    node = next;
  }
}

/* Lets the poller watch for what the client waits for now. */
static int watch(struct node *node) {
  const int fd = iotkit_mqtt_fd(node->client);
  const int interest = fd < 0 ? 0 : iotkit_mqtt_interest(node->client);
  const unsigned ends = ik_mqtt_count_ends(node->client);
  node->opening = iotkit_mqtt_get_state(node->client) == IOTKIT_MQTT_CONNECTING;
  if (fd == node->fd && interest == node->interest && ends == node->ends) return 0;
  if (node->fd != fd || !interest || ends != node->ends) unregister(node);
  if (!interest) return 0;
  const int rc = ik_poller_set(node->loop->poller, fd, interest, node);
  node->fd = rc < 0 ? -1 : fd;
  node->interest = rc < 0 ? 0 : interest;
  node->ends = ends;
  return rc;
}

static void step(struct node *node) {
  struct iotkit_loop *loop = node->loop;
  const uint64_t now_ms = ik_port_now_ms();
  if (!node->turn && !take_turn(node, now_ms)) return;
  /* A stream that opens changes descriptors and closes them: before that they are still its own. */
  if (node->opening) unregister(node);
  const int rc = iotkit_mqtt_step(node->client, now_ms);
  if (!node->client) return; /* removed in a callback */
  uint64_t next_ms = iotkit_mqtt_deadline(node->client);
  /* Another thread drives it, or the kernel has no memory to watch it: try again soon. */
  if (rc == IK_EBUSY || watch(node) < 0) next_ms = now_ms + BUSY_MS;
  if (rc == IK_ECLOSED) next_ms = UINT64_MAX;
  if (node->turn && iotkit_mqtt_get_state(node->client) != IOTKIT_MQTT_CONNECTING) end_turn(node);
  /* Not before now, so that clients which have been due for longer come first. */
  ik_heap_set(&loop->heap, &node->item, next_ms < now_ms ? now_ms : next_ms);
}

void iotkit_loop_pause(iotkit_loop_t *loop, iotkit_mqtt_t *client, bool paused) {
  if (!loop || !client) return;
  /* This wakes the loop, which then asks for the new interest. */
  ik_mqtt_set_paused(client, paused, ik_port_now_ms());
}

/* ---- running ---- */

/* Makes the clients that other threads woke due. */
static void make_woken_due(struct iotkit_loop *loop) {
  ik_mutex_lock(loop->mutex);
  struct node *node = loop->woken;
  loop->woken = NULL;
  for (struct node *at = node; at; at = at->next_woken)
    at->woken = false;
  while (node) {
    struct node *next = node->next_woken;
    ik_heap_set(&loop->heap, &node->item, 0);
    node = next;
  }
  ik_mutex_unlock(loop->mutex);
}

/* Steps each client that is due, once: one that is due again by then waits for the next round. */
static void step_due(struct iotkit_loop *loop) {
  const uint64_t now_ms = ik_port_now_ms();
  const uint64_t round = ++loop->heap.round;
  for (;;) {
    struct ik_heap_item *item = ik_heap_first(&loop->heap);
    if (!item || item->when_ms > now_ms || item->round == round) return;
    item->round = round;
    step((struct node *)item);
  }
}

static uint32_t wait_ms(const struct iotkit_loop *loop) {
  const struct ik_heap_item *item = ik_heap_first(&loop->heap);
  if (!item || item->when_ms == UINT64_MAX) return UINT32_MAX; /* for ever */
  return ik_mqtt_ms_until(item->when_ms, ik_port_now_ms());
}

static bool take_stop(struct iotkit_loop *loop) {
  ik_mutex_lock(loop->mutex);
  const bool stop = loop->stop;
  loop->stop = false;
  ik_mutex_unlock(loop->mutex);
  return stop;
}

int iotkit_loop_run(iotkit_loop_t *loop) {
  struct ik_poller_event events[EVENTS];
  if (!loop) return IK_EINVALID_ARGUMENT;
  for (;;) {
    (void)run_posted(loop);
    make_woken_due(loop);
    step_due(loop);
    recycle_removed(loop);
    if (take_stop(loop)) return 0;
    const int count = ik_poller_wait(loop->poller, events, EVENTS, wait_ms(loop));
    if (count < 0) return count;
    for (int i = 0; i < count; i++) {
      struct node *node = events[i].tag;
      if (!node)
        ik_wake_clear(loop->wake);
      else if (node->client)
        ik_heap_set(&loop->heap, &node->item, 0);
    }
  }
}

void iotkit_loop_stop(iotkit_loop_t *loop) {
  if (!loop) return;
  ik_mutex_lock(loop->mutex);
  loop->stop = true;
  ik_wake_signal(loop->wake);
  ik_mutex_unlock(loop->mutex);
}

void iotkit_loop_free(iotkit_loop_t *loop) {
  if (!loop) return;
  while (run_posted(loop))
    continue; /* by now no other thread begins to post */
  struct ik_heap_item *item;
  while ((item = ik_heap_first(&loop->heap)))
    iotkit_loop_remove(loop, ((struct node *)item)->client);
  free_nodes(loop->dead);
  free_nodes(loop->spare);
  destroy(loop);
}
