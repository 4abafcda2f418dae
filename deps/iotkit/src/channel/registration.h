/*
 * registration.h - iotkit_register.h over streams of the caller's choice. A registration owns a
 * client of its own, needs no line, and knows no channel.
 */
#ifndef IK_CHANNEL_REGISTRATION_H
#define IK_CHANNEL_REGISTRATION_H

#include "iotkit_register.h"
#include "net/transport.h"

/* As iotkit_registration_new, over streams that `dial` opens. */
int ik_registration_new_over(const struct iotkit_register_options *given, ik_dial_fn dial,
                             void *dial_ctx, iotkit_registration_t **out, char *detail);

#endif
