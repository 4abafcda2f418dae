/*
 * config.h - remote configuration beyond iotkit_config.h, for the files above it. Any thread.
 */
#ifndef IK_CHANNEL_CONFIG_H
#define IK_CHANNEL_CONFIG_H

#include "iotkit_config.h"

/* Whether the calling thread is inside a callback of this object. NULL: no. */
bool ik_config_in_callback(const iotkit_config_t *config);
/*
 * As iotkit_config_request, for another scope and type. `attribute_keys` "": none.
 * IK_EINVALID_ARGUMENT, too: a text is not UTF-8.
 */
int ik_config_ask(iotkit_config_t *config, const char *scope, const char *get_type,
                  const char *attribute_keys, char *request_id);

#endif
