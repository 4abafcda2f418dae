/*
 * loop.c - one thread that drives any number of clients: a poller for their descriptors, a binary
 * heap for their deadlines, a list of those that another thread woke, and a queue of posted work.
 *
 * A node stands for a client from add to remove. The mutex guards what other threads reach: the
 * woken list, the posted work and the stop flag. Everything else belongs to the loop's thread. A
 * removed node is freed after the events that may still name it have been gone through.
 */
#include <stdlib.h>
#include <string.h>

#include "../port/port.h"
#include "iotkit_loop.h"
#include "loop_heap.h"
#include "mqtt_client.h"

#define EVENTS 256
#define BUSY_MS 10 /* a client that another thread steps is looked at again after this */

struct node {
  struct ik_heap_item item; /* first: its deadline, and its place in the heap */
  struct iotkit_loop *loop;
  iotkit_mqtt_t *client;   /* NULL: removed */
  struct node *next_woken; /* mutex */
  struct node *next_dead;
  bool woken; /* mutex */
  int fd;     /* as the poller knows it, -1: not at all */
  int interest;
  bool opening; /* the last step left the client CONNECTING */
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
  struct node *dead;
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
  ik_mutex_unlock(loop->mutex);
  if (first)
    ik_wake_signal(
        loop->wake); /* else the one before has signalled, and the queue is taken whole */
  return 0;
}

/* Runs what was posted before now; what that posts is for the next round. */
static void run_posted(struct iotkit_loop *loop) {
  ik_mutex_lock(loop->mutex);
  struct work *work = loop->first;
  loop->first = loop->last = NULL;
  ik_mutex_unlock(loop->mutex);
  while (work) {
    struct work *next = work->next;
    work->fn(work->arg);
    free(work);
    work = next;
  }
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
  ik_mutex_unlock(loop->mutex);
  if (first) ik_wake_signal(loop->wake);
}

int iotkit_loop_add(iotkit_loop_t *loop, iotkit_mqtt_t *client) {
  if (!loop || !client) return IK_EINVALID_ARGUMENT;
  if (*ik_mqtt_loop_node(client)) return IK_EINVALID_STATE;
  struct node *node = calloc(1, sizeof(*node));
  if (!node) return IK_ENO_MEMORY;
  node->loop = loop;
  node->client = client;
  node->fd = -1;
  node->item.when_ms = 0; /* step it at once */
  const int rc = ik_heap_push(&loop->heap, &node->item);
  if (rc < 0) {
    free(node);
    return rc;
  }
  *ik_mqtt_loop_node(client) = node;
  iotkit_mqtt_set_waker(client, on_wake, node);
  return 0;
}

static void unregister(struct node *node) {
  if (node->fd >= 0) (void)ik_poller_set(node->loop->poller, node->fd, 0, NULL);
  node->fd = -1;
  node->interest = 0;
}

static void take_off_woken(struct node *node) {
  struct iotkit_loop *loop = node->loop;
  ik_mutex_lock(loop->mutex);
  struct node **link = &loop->woken;
  while (node->woken && *link && *link != node)
    link = &(*link)->next_woken;
  if (node->woken && *link) *link = node->next_woken;
  node->woken = false;
  ik_mutex_unlock(loop->mutex);
}

void iotkit_loop_remove(iotkit_loop_t *loop, iotkit_mqtt_t *client) {
  if (!loop || !client) return;
  struct node *node = *ik_mqtt_loop_node(client);
  if (!node || node->loop != loop) return;
  iotkit_mqtt_set_waker(client, NULL, NULL); /* afterwards no thread is in on_wake for it */
  take_off_woken(node);
  unregister(node);
  ik_heap_remove(&loop->heap, &node->item);
  *ik_mqtt_loop_node(client) = NULL;
  node->client = NULL;
  node->next_dead = loop->dead;
  loop->dead = node;
}

static void bury(struct iotkit_loop *loop) {
  while (loop->dead) {
    struct node *node = loop->dead;
    loop->dead = node->next_dead;
    free(node);
  }
}

/* Tells the poller what the client waits for now. */
static int watch(struct node *node) {
  const int fd = iotkit_mqtt_fd(node->client);
  const int interest = fd < 0 ? 0 : iotkit_mqtt_interest(node->client);
  const bool opening = iotkit_mqtt_get_state(node->client) == IOTKIT_MQTT_CONNECTING;
  /*
   * While a stream opens, another descriptor may have got the number of the last one: then the
   * kernel has forgotten it.
   */
  const bool same = fd == node->fd && interest == node->interest && !opening && !node->opening;
  node->opening = opening;
  if (same) return 0;
  if (node->fd >= 0 && (node->fd != fd || !interest)) unregister(node);
  if (!interest) return 0;
  const int rc = ik_poller_set(node->loop->poller, fd, interest, node);
  node->fd = rc < 0 ? -1 : fd;
  node->interest = rc < 0 ? 0 : interest;
  return rc;
}

static void step(struct node *node) {
  struct iotkit_loop *loop = node->loop;
  const uint64_t now_ms = ik_port_now_ms();
  const int rc = iotkit_mqtt_step(node->client, now_ms);
  if (!node->client) return; /* removed in a callback */
  uint64_t next_ms = iotkit_mqtt_deadline(node->client);
  /* Another thread steps it, or the kernel has no memory to watch it: look again soon. */
  if (rc == IK_EBUSY || watch(node) < 0) next_ms = now_ms + BUSY_MS;
  if (rc == IK_ECLOSED) next_ms = UINT64_MAX;
  /* Not before now, so that those which have been due for longer come first. */
  ik_heap_set(&loop->heap, &node->item, next_ms < now_ms ? now_ms : next_ms);
}

void iotkit_loop_pause(iotkit_loop_t *loop, iotkit_mqtt_t *client, bool paused) {
  if (!loop || !client) return;
  /* This wakes the loop, which then asks for the new interest. */
  ik_mqtt_set_paused(client, paused, ik_port_now_ms());
}

/* ---- running ---- */

/* Makes the clients that other threads woke due. */
static void take_woken(struct iotkit_loop *loop) {
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

/* Steps each client that is due, once: one that is due again at once waits for the others' turn. */
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

static uint32_t patience(const struct iotkit_loop *loop) {
  const struct ik_heap_item *item = ik_heap_first(&loop->heap);
  if (!item || item->when_ms == UINT64_MAX) return UINT32_MAX;
  const uint64_t now_ms = ik_port_now_ms();
  if (item->when_ms <= now_ms) return 0;
  return item->when_ms - now_ms >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)(item->when_ms - now_ms);
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
    run_posted(loop);
    take_woken(loop);
    step_due(loop);
    bury(loop);
    if (take_stop(loop)) return 0;
    const int count = ik_poller_wait(loop->poller, events, EVENTS, patience(loop));
    if (count < 0) return count;
    for (int i = 0; i < count; i++) {
      struct node *node = events[i].tag;
      if (!node)
        ik_wake_clear(loop->wake);
      else
        ik_heap_set(&loop->heap, &node->item, 0);
    }
  }
}

void iotkit_loop_stop(iotkit_loop_t *loop) {
  if (!loop) return;
  ik_mutex_lock(loop->mutex);
  loop->stop = true;
  ik_mutex_unlock(loop->mutex);
  ik_wake_signal(loop->wake);
}

void iotkit_loop_free(iotkit_loop_t *loop) {
  if (!loop) return;
  while (loop->first)
    run_posted(loop); /* no other thread posts any more */
  struct ik_heap_item *item;
  while ((item = ik_heap_first(&loop->heap)))
    iotkit_loop_remove(loop, ((struct node *)item)->client);
  bury(loop);
  destroy(loop);
}
