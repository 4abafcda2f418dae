/*
 * http_source.h - an image over HTTP: one connection, or several side by side with a range each.
 */
#ifndef IK_DOWNLOAD_HTTP_SOURCE_H
#define IK_DOWNLOAD_HTTP_SOURCE_H

#include "download/control.h"
#include "download/renewal.h"
#include "download/running_digest.h"
#include "download/setup.h"
#include "download/source.h"

/*
 * A source of the bytes from `offset` on, which is the caller's. Borrows its arguments; the wake of
 * `control` has been made. The fetching thread. IK_ENO_MEMORY and the errors of ik_transfer_init().
 */
int ik_http_source_new(const struct ik_fetch_setup *setup, struct ik_control *control,
                       struct ik_running_digest *digest, struct ik_renewal *renewal,
                       uint64_t offset, uint64_t now_ms, struct ik_source **out, char *detail);

/*
 * Whether the announced URL may be fetched by the job's rules: IK_EURL, IK_EURL_SCHEME,
 * IK_ETLS_REQUIRED, IK_EHOST_NOT_ALLOWED, IK_ENO_MEMORY, with `detail`.
 */
int ik_http_source_check(const struct ik_fetch_setup *setup, char *detail);

#endif
