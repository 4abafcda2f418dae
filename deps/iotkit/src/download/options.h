/*
 * options.h - how images are fetched: a copy of iotkit_fetch_options that a channel, its jobs
 * and their copies share.
 *
 * Counted by references, for any number of threads. The options never change.
 */
#ifndef IK_DOWNLOAD_OPTIONS_H
#define IK_DOWNLOAD_OPTIONS_H

#include <stdatomic.h>

#include "download/http_pool.h"
#include "iotkit_ota.h"
#include "net/proxy.h"

struct ik_fetch_config {
  atomic_uint refs;
  /* Defaults filled in; texts, references and what `proxies` took over are the config's own. */
  struct iotkit_fetch_options options;
  bool renew_by_caller; /* the caller named a renew time-out: without a channel it is waited too */
  struct ik_proxies proxies;
  struct ik_tls_places places; /* of the system's CAs, as the environment says */
  struct ik_mutex *mutex;      /* of `system_tls` and `pool` */
  iotkit_tls_t *system_tls;    /* made when first needed, where the options have none */
  struct ik_http_pool pool;    /* connections of its downloads; it takes the lock by itself */
};

/*
 * NULL: all defaults. Reads the environment (proxies, places of CAs), which no other call of ours
 * does later, on another thread. Errors, with `detail`
 * naming the field: IK_EINVALID_ARGUMENT, IK_EURL and IK_EUNSUPPORTED (proxy), IK_ETOO_LONG,
 * IK_ENO_MEMORY.
 */
int ik_fetch_config_new(const struct iotkit_fetch_options *given, struct ik_fetch_config **out,
                        char *detail);
struct ik_fetch_config *ik_fetch_config_ref(struct ik_fetch_config *config);
void ik_fetch_config_unref(struct ik_fetch_config *config); /* NULL is allowed */
/* IK_ENO_SPACE: an upgrade of `size` bytes, all its files together, is above max_size. */
int ik_fetch_config_check_size(const struct ik_fetch_config *config, uint64_t size, char *detail);
/* For https: the options' or one with the system's CA store; borrowed from the config. */
int ik_fetch_config_tls(struct ik_fetch_config *config, iotkit_tls_t **out, char *detail);

#endif
