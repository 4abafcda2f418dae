/*
 * renewal.c - asks for another URL, and keeps the answer that was posted until the fetching thread
 * takes it. No lock is held while the uplink is called.
 */
#include "download/renewal.h"

#include <stddef.h>

#define ASK_AGAIN_MS 2000  /* the channel could not ask */
#define NO_ANSWER_MS 10000 /* question or answer may be lost */

/* ---- what is posted ---- */

/* Takes over the URL. */
static void post(struct ik_renewal *renewal, char *url, int error, const char *detail) {
  ik_mutex_lock(renewal->mutex);
  char *before = renewal->url;
  renewal->url = url;
  renewal->error = error;
  ik_detail(renewal->detail, "%s", detail);
  ik_mutex_unlock(renewal->mutex);
  ik_str_free(before);
  ik_control_wake(renewal->control);
}

void ik_renewal_post_url(struct ik_renewal *renewal, char *url) {
  post(renewal, url, 0, "");
}

/* Takes what was posted. 1: a URL; 0: nothing; or the error why there is none. */
static int take(struct ik_renewal *renewal, struct ik_renewal_step *step) {
  ik_mutex_lock(renewal->mutex);
  step->url = renewal->url;
  int rc = renewal->url != NULL ? 1 : renewal->error;
  ik_detail(step->detail, "%s", renewal->detail);
  renewal->url = NULL;
  renewal->error = 0;
  ik_mutex_unlock(renewal->mutex);
  return rc;
}

bool ik_renewal_is_wanted(struct ik_renewal *renewal) {
  if (!atomic_load(&renewal->wanted)) return false;
  ik_mutex_lock(renewal->mutex);
  bool given = renewal->url != NULL;
  ik_mutex_unlock(renewal->mutex);
  return !given;
}

/* ---- what the uplink sees of it ---- */

static struct ik_renewal *of(const struct ik_request *request) {
  return (struct ik_renewal *)((uintptr_t)request - offsetof(struct ik_renewal, request));
}

static bool try_hold(struct ik_request *request) {
  const struct ik_renewal_owner *owner = &of(request)->owner;
  return owner->try_hold(owner->ctx);
}

static void release(struct ik_request *request) {
  const struct ik_renewal_owner *owner = &of(request)->owner;
  owner->release(owner->ctx);
}

static bool matches(const struct ik_request *request, const struct ik_announcement *announcement) {
  return ik_announcement_url_of(announcement, &of(request)->setup->announcement) != NULL;
}

static void answer(struct ik_request *request, const struct ik_announcement *announcement,
                   int error, const char *detail) {
  struct ik_renewal *renewal = of(request);
  if (announcement == NULL) {
    post(renewal, NULL, error, detail != NULL ? detail : "");
    return;
  }
  const char *url = ik_announcement_url_of(announcement, &renewal->setup->announcement);
  if (url == NULL) {
    post(renewal, NULL, IK_EURL_EXPIRED, "the platform announces another image");
    return;
  }
  char *copy = ik_str_dup(ik_str(url));
  post(renewal, copy, copy != NULL ? 0 : IK_ENO_MEMORY, "");
}

/* ---- life ---- */

int ik_renewal_init(struct ik_renewal *renewal, const struct ik_renewal_owner *owner,
                    const struct ik_fetch_setup *setup, struct ik_control *control) {
  static const struct ik_request_ops operations = {
      .try_hold = try_hold, .release = release, .matches = matches, .answer = answer};
  renewal->request.ops = &operations;
  renewal->owner = *owner;
  renewal->setup = setup;
  renewal->control = control;
  atomic_init(&renewal->wanted, false);
  renewal->mutex = ik_mutex_new();
  return renewal->mutex != NULL ? 0 : IK_ENO_MEMORY;
}

void ik_renewal_deinit(struct ik_renewal *renewal) {
  ik_str_free(renewal->url);
  ik_mutex_free(renewal->mutex);
}

/* ---- the fetching thread ---- */

void ik_renewal_end(struct ik_renewal *renewal) {
  struct ik_uplink *uplink = renewal->setup->uplink;
  if (atomic_exchange(&renewal->wanted, false) && uplink != NULL)
    uplink->ops->forget(uplink, &renewal->request);
}

/* False: there is nobody to ask. */
static bool ask(struct ik_renewal *renewal, uint64_t now_ms) {
  const struct ik_fetch_setup *setup = renewal->setup;
  struct ik_uplink *uplink = setup->uplink;
  int rc = IK_ECLOSED;
  if (uplink != NULL)
    rc = uplink->ops->ask(uplink, &renewal->request, setup->announcement.upgrade.module);
  if (rc == 0) {
    renewal->ask_at_ms = now_ms + NO_ANSWER_MS;
  } else if (rc != IK_ECLOSED) {
    renewal->ask_at_ms = now_ms + ASK_AGAIN_MS;
  } else if (setup->config->renew_by_caller) {
    renewal->ask_at_ms = UINT64_MAX;
  } else {
    return false;
  }
  return true;
}

enum ik_renewal_result ik_renewal_advance(struct ik_renewal *renewal, uint64_t first_ms,
                                          uint64_t now_ms, struct ik_renewal_step *step) {
  if (!atomic_exchange(&renewal->wanted, true)) renewal->ask_at_ms = first_ms;
  int rc = take(renewal, step);
  if (rc > 0) {
    ik_renewal_end(renewal);
    return IK_RENEWAL_URL;
  }
  if (rc < 0 && rc != IK_ECLOSED) {
    if (step->detail[0] == '\0') ik_detail(step->detail, "%s", iotkit_strerror(rc));
    ik_renewal_end(renewal);
    return IK_RENEWAL_REFUSED;
  }
  if (rc == IK_ECLOSED) renewal->ask_at_ms = now_ms;
  if (now_ms >= renewal->ask_at_ms && !ask(renewal, now_ms)) {
    bool closed = renewal->setup->uplink != NULL;
    ik_detail(step->detail, "%s", closed ? "the channel is closed" : "");
    ik_renewal_end(renewal);
    return IK_RENEWAL_REFUSED;
  }
  step->until_ms = renewal->ask_at_ms;
  return IK_RENEWAL_WAITS;
}
