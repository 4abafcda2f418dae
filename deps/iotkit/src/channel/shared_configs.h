/*
 * shared_configs.h - fetch options that the channels of a gateway's sub-devices share, one copy for each
 * product: a copy for each channel would be most of what a sub-device takes. Guarded by its owner.
 */
#ifndef IK_CHANNEL_SHARED_CONFIGS_H
#define IK_CHANNEL_SHARED_CONFIGS_H

#include "download/options.h"

#define IK_SHARED_CONFIGS 8 /* products; channels of more have copies of their own */

struct ik_shared_configs {
  struct ik_fetch_config *list[IK_SHARED_CONFIGS]; /* a reference of each */
};

/*
 * What the channel with these options may share, borrowed; NULL: nothing, as it has fetch options of its
 * own or there are too many products. Errors of ik_ota_config_new().
 */
int ik_shared_configs_get(struct ik_shared_configs *configs,
                          const struct iotkit_ota_options *options, struct ik_fetch_config **out,
                          char *detail);
void ik_shared_configs_free(struct ik_shared_configs *configs);

#endif
