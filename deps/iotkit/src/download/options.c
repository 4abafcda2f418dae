/*
 * options.c - checks and copies fetch options once, so that everything after it can trust them.
 *
 * A config owns its texts, which are wiped before they are freed because header fields may be
 * secrets, and a reference of whatever is counted by references.
 */
#include "download/options.h"

#include <inttypes.h>
#include <stdlib.h>

#include "alink/statement.h"
#include "base/hosts.h"
#include "base/sized.h"
#include "http/request.h"
#include "port/port.h"

#define CONNECT_TIMEOUT_MS 10000
#define RESPONSE_TIMEOUT_MS 30000
#define IDLE_TIMEOUT_MS 30000
#define LOW_SPEED_BYTES 100
#define LOW_SPEED_MS 60000
#define PATIENCE_MS 600000
#define MAX_TRIES 1000
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 30000
#define RENEW_TIMEOUT_MS 60000

/* ---- checks ---- */

static int refuse(char *detail, const char *field, const char *why) {
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s: %s", field, why);
}

static int check_headers(const char *headers, char *detail) {
  char why[IOTKIT_DETAIL_MAX] = "is malformed";
  struct ik_str text = ik_str(headers);
  if (text.len > IK_HTTP_FIELDS_MAX) return refuse(detail, "headers", "are too long");
  return ik_http_fields_valid(text, why) ? 0 : refuse(detail, "headers", why);
}

static int check_hosts(const char *hosts, char *detail) {
  struct ik_str text = ik_str(hosts);
  if (text.len > IK_HOST_LIST_MAX) return refuse(detail, "allowed_hosts", "is too long");
  return ik_hosts_valid(text) ? 0 : refuse(detail, "allowed_hosts", "is not a list of hosts");
}

static int check_verification(const struct iotkit_fetch_options *options, char *detail) {
  const char *product = options->product_key;
  if (product != NULL && !ik_statement_product_valid(ik_str(product))) {
    return refuse(detail, "product_key", "is not 1-20 printable characters");
  }
  if (options->require_signature && options->keys == NULL) {
    return refuse(detail, "require_signature", "needs keys");
  }
  if (options->require_statement && options->keys == NULL) {
    return refuse(detail, "require_statement", "needs keys");
  }
  if (options->require_statement && product == NULL) {
    return refuse(detail, "require_statement", "needs product_key");
  }
  if (options->allow_unsigned && (options->require_signature || options->require_statement)) {
    return refuse(detail, "allow_unsigned", "contradicts that a signature is required");
  }
  return 0;
}

static int check(const struct iotkit_fetch_options *options, char *detail) {
  int rc = ik_sized_check_reserved(options->reserved, sizeof(options->reserved), detail);
  if (rc != 0) return rc;
  if (options->connections > IOTKIT_CONNECTIONS_MAX) {
    return refuse(detail, "connections", "are too many");
  }
  rc = check_verification(options, detail);
  if (rc == 0 && options->headers != NULL) rc = check_headers(options->headers, detail);
  if (rc == 0 && options->allowed_hosts != NULL) rc = check_hosts(options->allowed_hosts, detail);
  return rc;
}

/* ---- copying ---- */

static void default_u32(uint32_t *value, uint32_t normal) {
  if (*value == 0) *value = normal;
}

static void fill_defaults(struct iotkit_fetch_options *options) {
  default_u32(&options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
  default_u32(&options->response_timeout_ms, RESPONSE_TIMEOUT_MS);
  default_u32(&options->idle_timeout_ms, IDLE_TIMEOUT_MS);
  default_u32(&options->low_speed_bytes, LOW_SPEED_BYTES);
  default_u32(&options->low_speed_ms, LOW_SPEED_MS);
  default_u32(&options->patience_ms, PATIENCE_MS);
  default_u32(&options->max_retries, UINT32_MAX);
  default_u32(&options->max_tries, MAX_TRIES);
  default_u32(&options->retry_min_ms, RETRY_MIN_MS);
  default_u32(&options->retry_max_ms, RETRY_MAX_MS);
  default_u32(&options->renew_timeout_ms, RENEW_TIMEOUT_MS);
  default_u32(&options->connections, 1);
  if (options->max_redirects == 0) options->max_redirects = IK_HTTP_REDIRECTS_DEFAULT;
}

static int copy_text(const char **text) {
  if (*text == NULL) return 0;
  *text = ik_str_dup(ik_str(*text));
  return *text != NULL ? 0 : IK_ENO_MEMORY;
}

/* The pointers of `options` are the caller's; they become the config's own, or NULL. */
static int own(struct ik_fetch_config *config, const struct iotkit_fetch_options *from,
               char *detail) {
  struct iotkit_fetch_options *to = &config->options;
  to->proxy = to->https_proxy = to->no_proxy = NULL;
  if (from->tls != NULL) to->tls = iotkit_tls_ref(from->tls);
  to->keys = iotkit_keys_ref(from->keys);
  for (size_t i = 0; i < 2; i++)
    to->limiters[i] = iotkit_limiter_ref(from->limiters[i]);
  int headers = copy_text(&to->headers);
  int hosts = copy_text(&to->allowed_hosts);
  int product = copy_text(&to->product_key);
  if (headers != 0 || hosts != 0 || product != 0) return IK_ENO_MEMORY;
  if (to->tls == NULL && ik_tls_places_read(&config->places) != 0) return IK_ENO_MEMORY;
  return ik_proxies_init(&config->proxies, from->proxy, from->https_proxy, from->no_proxy, detail);
}

int ik_fetch_config_new(const struct iotkit_fetch_options *given, struct ik_fetch_config **out,
                        char *detail) {
  struct iotkit_fetch_options read = {0};
  const struct iotkit_fetch_options *options = &read;
  *out = NULL;
  int rc = given != NULL ? IK_SIZED_READ(&read, given, detail) : 0;
  if (rc == 0) rc = check(options, detail);
  if (rc != 0) return rc;
  struct ik_fetch_config *config = calloc(1, sizeof(*config));
  if (config == NULL) return IK_ENO_MEMORY;
  atomic_init(&config->refs, 1);
  config->options = *options;
  config->renew_by_caller = options->renew_timeout_ms != 0;
  fill_defaults(&config->options);
  rc = own(config, options, detail);
  config->mutex = ik_mutex_new();
  if (rc == 0 && config->mutex == NULL) rc = IK_ENO_MEMORY;
  ik_http_pool_init(&config->pool, config->mutex);
  if (rc != 0) {
    ik_fetch_config_unref(config);
    return rc;
  }
  *out = config;
  return 0;
}

struct ik_fetch_config *ik_fetch_config_ref(struct ik_fetch_config *config) {
  atomic_fetch_add(&config->refs, 1);
  return config;
}

static void free_text(const char *text) {
  ik_str_free((char *)(uintptr_t)text); /* const for everyone else */
}

void ik_fetch_config_unref(struct ik_fetch_config *config) {
  if (config == NULL || atomic_fetch_sub(&config->refs, 1) != 1) return;
  ik_http_pool_deinit(&config->pool);
  iotkit_tls_unref(config->options.tls);
  iotkit_tls_unref(config->system_tls);
  iotkit_keys_unref(config->options.keys);
  for (size_t i = 0; i < 2; i++)
    iotkit_limiter_unref(config->options.limiters[i]);
  free_text(config->options.headers);
  free_text(config->options.allowed_hosts);
  free_text(config->options.product_key);
  ik_proxies_free(&config->proxies);
  ik_tls_places_free(&config->places);
  ik_mutex_free(config->mutex);
  free(config);
}

int ik_fetch_config_check_size(const struct ik_fetch_config *config, uint64_t size, char *detail) {
  uint64_t max = config->options.max_size;
  if (max == 0 || size <= max) return 0;
  return ik_refuse(detail, IK_ENO_SPACE,
                   "%" PRIu64 " bytes are announced, and max_size is %" PRIu64, size, max);
}

int ik_fetch_config_tls(struct ik_fetch_config *config, iotkit_tls_t **out, char *detail) {
  int rc = 0;
  *out = config->options.tls;
  if (*out != NULL) return 0;
  ik_mutex_lock(config->mutex);
  if (config->system_tls == NULL)
    rc = ik_tls_new_system(&config->places, &config->system_tls, detail);
  *out = config->system_tls;
  ik_mutex_unlock(config->mutex);
  return rc;
}
