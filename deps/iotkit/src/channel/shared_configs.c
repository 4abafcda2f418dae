/* Tested by deps/iotkit/test/channel/test_gateway_ota.c. */
/*
 * shared_configs.c - a short list, searched by the product that statements have to name.
 */
#include "channel/shared_configs.h"

#include <stddef.h>
#include <string.h>

#include "channel/ota.h"

/* Bytes between its members count too: if they are not 0, the channel has a copy of its own. */
static bool has_own_fetch(const struct iotkit_fetch_options *fetch) {
  uint8_t bytes[sizeof(*fetch)];
  memcpy(bytes, fetch, sizeof(bytes));
  memset(bytes + offsetof(struct iotkit_fetch_options, struct_size), 0, sizeof(fetch->struct_size));
  size_t i = 0;
  while (i < sizeof(bytes) && bytes[i] == 0)
    i++;
  return i < sizeof(bytes);
}

int ik_shared_configs_get(struct ik_shared_configs *configs,
                          const struct iotkit_ota_options *options, struct ik_fetch_config **out,
                          char *detail) {
  *out = NULL;
  if (has_own_fetch(&options->fetch)) return 0;
  for (size_t i = 0; i < IK_SHARED_CONFIGS; i++) {
    struct ik_fetch_config **config = &configs->list[i];
    if (*config == NULL) {
      const int rc = ik_ota_config_new(options, config, detail);
      *out = *config;
      return rc;
    }
    const char *product = (*config)->options.product_key;
    if (product == NULL || strcmp(product, options->product_key) != 0) continue;
    *out = *config;
    return 0;
  }
  return 0;
}

void ik_shared_configs_free(struct ik_shared_configs *configs) {
  for (size_t i = 0; i < IK_SHARED_CONFIGS; i++)
    ik_fetch_config_unref(configs->list[i]);
}
