/*
 * renewal.h - another URL of the same image, when the server refuses the current one.
 *
 * The fetching thread asks through the uplink of the job; what comes back from there, or what the
 * caller gives, is posted under the mutex by any thread and taken by the fetching thread.
 */
#ifndef IK_DOWNLOAD_RENEWAL_H
#define IK_DOWNLOAD_RENEWAL_H

#include <stdatomic.h>

#include "download/control.h"
#include "download/setup.h"

/* Whose renewal it is, and how the uplink keeps the owner in memory while it answers. */
struct ik_renewal_owner {
  bool (*try_hold)(void *ctx); /* as ik_request_ops */
  void (*release)(void *ctx);
  void *ctx;
};

struct ik_renewal {
  /* fixed by ik_renewal_init(); the pointers are borrowed */
  struct ik_request request; /* what the uplink sees of the renewal */
  struct ik_renewal_owner owner;
  const struct ik_fetch_setup *setup;
  struct ik_control *control;

  atomic_bool wanted; /* the fetch waits for another URL */
  struct ik_mutex *mutex;
  /* with the mutex: what was posted and the fetching thread has not taken yet */
  char *url; /* owned; NULL: none */
  int error; /* why there is none; 0: no answer yet */
  char detail[IOTKIT_DETAIL_MAX];

  /* the fetching thread */
  uint64_t ask_at_ms; /* when the uplink is asked (again) */
};

/* IK_ENO_MEMORY; ik_renewal_deinit() in any case. */
int ik_renewal_init(struct ik_renewal *renewal, const struct ik_renewal_owner *owner,
                    const struct ik_fetch_setup *setup, struct ik_control *control);
void ik_renewal_deinit(struct ik_renewal *renewal);

/* ---- any thread ---- */

/* Whether the fetch waits for a URL that nobody has given yet. */
bool ik_renewal_is_wanted(struct ik_renewal *renewal);
/* Posts a URL, which it takes over, and wakes the fetch. */
void ik_renewal_post_url(struct ik_renewal *renewal, char *url);

/* ---- the fetching thread ---- */

enum ik_renewal_result {
  IK_RENEWAL_WAITS,  /* until `until_ms` at the latest */
  IK_RENEWAL_URL,    /* `url` is the caller's */
  IK_RENEWAL_REFUSED /* `detail` says why there is none, or is "" */
};

struct ik_renewal_step {
  uint64_t until_ms;
  char *url;
  char detail[IOTKIT_DETAIL_MAX];
};

/*
 * Asks for another URL when that is due, not before `first_ms`, and takes what was posted. After
 * anything but WAITS the renewal is over.
 */
enum ik_renewal_result ik_renewal_advance(struct ik_renewal *renewal, uint64_t first_ms,
                                          uint64_t now_ms, struct ik_renewal_step *step);
/* No URL is wanted any more; what was asked is forgotten. */
void ik_renewal_end(struct ik_renewal *renewal);

#endif
