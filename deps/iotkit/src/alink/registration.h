/*
 * registration.h - what a device without credentials says to the platform, and the reader of its
 * answers (documents 132111, 148805 and 140588). Pure but for the HMAC.
 */
#ifndef IK_ALINK_REGISTRATION_H
#define IK_ALINK_REGISTRATION_H

#include "base/buf.h"
#include "iotkit_register.h"

#define IK_REGISTER_TOPIC "/ext/register"
#define IK_REGISTER_UNKNOWN_TOPIC "/ext/regnwl" /* some documents say /ext/register here too */

/*
 * What CONNECT carries. `random` is part of what is signed; every registration takes another.
 * Errors: IK_EINVALID_ARGUMENT, IK_ETOO_LONG, with `detail` (may be NULL) naming the option, never a
 * value; those of the HMAC. On an error `out` is wiped.
 */
int ik_register_sign(const struct iotkit_register_options *options, uint32_t random,
                     struct iotkit_sign_in *out, char *detail);

/* Whether the platform answers a registration on this topic. */
bool ik_register_is_answer(struct ik_str topic);

/*
 * Reads an answer, which its fields decide: a deviceSecret, a clientId with a deviceToken, or the
 * names alone (*kind). IK_EREGISTER_REFUSED and IK_EREGISTER_ACTIVATED: it is a code of the platform;
 * IK_EREGISTER_ANSWER: it is not valid, IK_ENO_MEMORY; `detail` (may be NULL) names the field. On an
 * error `out` is wiped. What was copied of the payload meanwhile is wiped, too.
 */
int ik_register_read(struct ik_str payload, struct iotkit_credentials *out,
                     enum iotkit_register_kind *kind, char *detail);

#endif
