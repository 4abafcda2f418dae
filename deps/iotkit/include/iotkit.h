/**
 * @file
 * iotkit.h - the extension API, whole: what the published IOT_* functions cannot express.
 *
 *   iotkit_errors.h   the error table
 *   iotkit_core.h     versions, sentences of errors, TLS contexts, threads, log
 *   iotkit_mqtt.h     an MQTT 3.1.1 client with a readiness face and a blocking face
 *   iotkit_loop.h     one thread that drives any number of clients
 *   iotkit_ota.h      a device's OTA channel, and the upgrades (jobs) that arrive on it
 *   iotkit_over.h     the same over an MQTT client that the program has already
 *   iotkit_config.h   remote configuration of a device
 *   iotkit_register.h credentials for a device that has none: registration, X.509
 *   iotkit_time.h     the platform's time
 *   iotkit_gateway.h  a gateway's sub-devices: topology, logins, their OTA channels
 *   iotkit_file.h     an image file that appears whole under its name or not at all
 *
 * Conventions: functions return 0 or a positive result, or a negative IK_E* (iotkit_errors.h).
 * Options structs are zeroed by the caller, which makes every field its default; strings in them
 * are copied during the call. Unless a function says otherwise it may be called from any thread,
 * and inside any callback. No lock is held while a callback runs. Times are milliseconds of any
 * monotonic clock; the blocking functions use iotkit_now_ms().
 *
 * The environment is read by calls that set options (iotkit_tls_new(), iotkit_ota_new(),
 * iotkit_job_parse(), iotkit_job_set_options() and their like), in the calling thread and nowhere
 * else; while one runs, no other thread may change it. After fork() a child may use the SDK, with
 * objects that it makes itself: those that it has inherited are its parent's, whose threads it does
 * not have.
 */
#ifndef IOTKIT_H
#define IOTKIT_H

#include "iotkit_config.h"
#include "iotkit_core.h"
#include "iotkit_errors.h"
#include "iotkit_file.h"
#include "iotkit_gateway.h"
#include "iotkit_limiter.h"
#include "iotkit_loop.h"
#include "iotkit_mqtt.h"
#include "iotkit_ota.h"
#include "iotkit_over.h"
#include "iotkit_register.h"
#include "iotkit_time.h"
#include "iotkit_verify.h"

#endif
