/*
 * requests.c - asks the platform again for an upgrade, and finds the asker of each answer.
 */
#include "channel/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/reports.h"

#define ID_TEXT_MAX 12

void ik_requests_init(struct ik_requests *requests, struct ik_line *line) {
  *requests = (struct ik_requests){.line = line};
}

void ik_requests_deinit(struct ik_requests *requests) {
  free(requests->pending);
}

/* ---- pending requests; with the mutex held ---- */

/* The index of the request; the count: it is not pending. */
static size_t find(const struct ik_requests *requests, const struct ik_request *request) {
  size_t i = 0;
  while (i < requests->count && requests->pending[i].request != request)
    i++;
  return i;
}

static void remove_at(struct ik_requests *requests, size_t index) {
  requests->pending[index] = requests->pending[--requests->count];
  if (requests->count > 0) return;
  free(requests->pending);
  requests->pending = NULL;
}

/* IK_ENO_MEMORY. */
static int make_room(struct ik_requests *requests) {
  if (requests->pending == NULL)
    requests->pending = malloc(IK_REQUESTS_MAX * sizeof(*requests->pending));
  return requests->pending != NULL ? 0 : IK_ENO_MEMORY;
}

/* Takes out the requests that the notice matches, NULL: all; holds their askers. */
static void take(struct ik_requests *requests, const struct ik_announcement *notice,
                 struct ik_requests_taken *taken) {
  taken->count = 0;
  for (size_t i = 0; i < requests->count;) {
    struct ik_request *request = requests->pending[i].request;
    if (notice != NULL && !request->ops->matches(request, notice)) {
      i++;
      continue;
    }
    remove_at(requests, i);
    if (request->ops->try_hold(request)) taken->requests[taken->count++] = request;
  }
}

void ik_requests_take_all(struct ik_requests *requests, struct ik_requests_taken *taken) {
  take(requests, NULL, taken);
}

/* ---- asking ---- */

static int add(struct ik_requests *requests, struct ik_request *request, uint32_t id) {
  ik_mutex_lock(requests->line->mutex);
  size_t index = find(requests, request);
  int rc = requests->line->carrier == NULL ? IK_ECLOSED : 0;
  if (rc == 0 && index == IK_REQUESTS_MAX) rc = IK_EQUEUE_FULL;
  if (rc == 0) rc = make_room(requests);
  if (rc == 0) {
    if (index == requests->count) requests->count++;
    requests->pending[index] = (struct ik_pending){request, id};
  }
  ik_mutex_unlock(requests->line->mutex);
  return rc;
}

int ik_requests_ask(struct ik_requests *requests, struct ik_request *request, const char *module) {
  struct ik_line_use use;
  struct ik_carrier *carrier = ik_line_begin_use(requests->line, &use, NULL);
  if (carrier == NULL) return IK_ECLOSED;
  uint32_t id = ik_line_next_id(requests->line);
  /* Before the message is published: the reply may be there before publish() returns. */
  int rc = add(requests, request, id);
  if (rc == 0) rc = ik_report_get(requests->line, carrier, id, module);
  ik_line_end_use(requests->line, &use);
  return rc;
}

void ik_requests_forget(struct ik_requests *requests, struct ik_request *request) {
  ik_mutex_lock(requests->line->mutex);
  size_t index = find(requests, request);
  if (index < requests->count) remove_at(requests, index);
  ik_mutex_unlock(requests->line->mutex);
}

/* ---- answering ---- */

static void answer_all(const struct ik_requests_taken *taken, const struct ik_announcement *notice,
                       int error) {
  for (size_t i = 0; i < taken->count; i++) {
    struct ik_request *request = taken->requests[i];
    request->ops->answer(request, notice, error, "");
    request->ops->release(request);
  }
}

void ik_requests_fail(const struct ik_requests_taken *taken, int error) {
  answer_all(taken, NULL, error);
}

/* Takes out the request with that id. *request: its asker is held; NULL: the asker is gone. */
static bool take_by_id(struct ik_requests *requests, const char *id, struct ik_request **request) {
  char text[ID_TEXT_MAX];
  bool found = false;
  *request = NULL;
  ik_mutex_lock(requests->line->mutex);
  for (size_t i = 0; i < requests->count && !found; i++) {
    struct ik_request *pending = requests->pending[i].request;
    snprintf(text, sizeof(text), "%" PRIu32, requests->pending[i].id);
    found = strcmp(text, id) == 0;
    if (!found) continue;
    if (pending->ops->try_hold(pending)) *request = pending;
    remove_at(requests, i);
  }
  ik_mutex_unlock(requests->line->mutex);
  return found;
}

enum ik_reply ik_requests_reply(struct ik_requests *requests, const struct ik_announcement *notice,
                                int error, const char *detail) {
  struct ik_request *request;
  if (!take_by_id(requests, notice->upgrade.id, &request)) return IK_REPLY_NOT_ASKED;
  if (request == NULL) return IK_REPLY_TAKEN;
  enum ik_reply reply = IK_REPLY_TAKEN;
  if (error != 0) {
    request->ops->answer(request, NULL, error, detail);
  } else if (notice->nothing) {
    request->ops->answer(request, NULL, IK_EURL_EXPIRED,
                         "the platform has no such upgrade any more");
  } else {
    if (!request->ops->matches(request, notice)) reply = IK_REPLY_ANOTHER;
    request->ops->answer(request, notice, 0, "");
  }
  request->ops->release(request);
  return reply;
}

bool ik_requests_push(struct ik_requests *requests, const struct ik_announcement *notice) {
  struct ik_requests_taken taken;
  ik_mutex_lock(requests->line->mutex);
  take(requests, notice, &taken);
  ik_mutex_unlock(requests->line->mutex);
  answer_all(&taken, notice, 0);
  return taken.count > 0;
}
