/**
 * @file
 * iotkit_loop.h - drives any number of MQTT clients on one thread.
 *
 * One thread runs the loop (iotkit_loop_run); iotkit_loop_post hands work to it from any thread.
 * Clients in a loop are stepped by that thread, and by no other; their publish, subscribe … remain
 * callable from any.
 */
#ifndef IOTKIT_LOOP_H
#define IOTKIT_LOOP_H

#include "iotkit_mqtt.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Borrows its clients: who made them frees them, once they are removed or the loop is freed. */
typedef struct iotkit_loop iotkit_loop_t;

/** Makes a loop that does not run yet. IK_ENO_MEMORY, or why there is no descriptor for it. */
IOTKIT_API int iotkit_loop_new(iotkit_loop_t **out);
/**
 * Not while it runs. Posted work that has not run is run now, on the caller's thread. Clients are
 * not freed. NULL is allowed.
 */
IOTKIT_API void iotkit_loop_free(iotkit_loop_t *loop);

/** Runs until iotkit_loop_stop. Returns 0 or the error that made waiting impossible. */
IOTKIT_API int iotkit_loop_run(iotkit_loop_t *loop);
/**
 * Ends a running or the next iotkit_loop_run at the end of its round. Posted work that has not run
 * by then stays for the next run or iotkit_loop_free. Any thread.
 */
IOTKIT_API void iotkit_loop_stop(iotkit_loop_t *loop);
/**
 * Runs `fn(arg)` on the loop's thread, in order of posting. Any thread; once `fn` has run the loop may
 * be freed, though this call may not have returned yet. IK_EINVALID_ARGUMENT (no loop or function),
 * IK_ENO_MEMORY: not taken.
 */
IOTKIT_API int iotkit_loop_post(iotkit_loop_t *loop, void (*fn)(void *arg), void *arg);

/** On the loop's thread only (or before it runs). The loop sets the client's waker and steps it. */
IOTKIT_API int iotkit_loop_add(iotkit_loop_t *loop, iotkit_mqtt_t *client);
/**
 * On the loop's thread only. After it the loop never touches the client. Allowed inside the
 * client's callbacks.
 */
IOTKIT_API void iotkit_loop_remove(iotkit_loop_t *loop, iotkit_mqtt_t *client);
/**
 * On the loop's thread only. Paused: the client's socket is not read (TCP pushes back on the
 * broker) but what is queued is sent. Keep-alive goes on as long as the broker is patient.
 */
IOTKIT_API void iotkit_loop_pause(iotkit_loop_t *loop, iotkit_mqtt_t *client, bool paused);

#ifdef __cplusplus
}
#endif
#endif
