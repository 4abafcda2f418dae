/**
 * @file
 * iotkit_over.h - an OTA channel over a connection that the program has already.
 *
 * The platform allows one connection for each device: a second one with the same identity ends the
 * first. So a program with an MQTT client of its own lends it: it says how to publish and to
 * subscribe (struct iotkit_transport), and passes on what arrives (iotkit_ota_feed()) and when there
 * is a connection (iotkit_ota_connected(), iotkit_ota_disconnected()). The channel is one like that
 * of iotkit_ota_new(): all functions of iotkit_ota.h take it, and its jobs are the same.
 *
 * The published API has the same idea: IOT_OTA_Init() takes an MQTT handle as `ch_signal`. That one
 * must be of IOT_MQTT_Construct(); a program with another client uses this header.
 *
 *     static int publish(void *ctx, const char *topic, const void *payload, size_t len,
 *                        uint8_t qos) {
 *       return my_client_publish(ctx, topic, payload, len, qos) ? 0 : IK_ENOT_CONNECTED;
 *     }
 *     …
 *     struct iotkit_transport transport = {
 *         .publish = publish, .subscribe = subscribe, .unsubscribe = unsubscribe, .ctx = client};
 *     iotkit_ota_new_over(&transport, &options, &ota, detail);
 *     // in the client's callbacks:
 *     iotkit_ota_connected(ota);
 *     iotkit_ota_feed(ota, topic, topic_len, payload, payload_len, dup);
 *
 * **Time.** A channel has no timers, so that nothing of it has to be driven. All time-outs belong to
 * the fetches, which keep them themselves; a fetch without an answer asks again.
 *
 * **Threads.** A fetch that needs MQTT (an image in blocks, another URL) waits for messages that
 * iotkit_ota_feed() brings. Where a thread of the program's feeds, it just waits. In a program with
 * one thread either the transport's `step` drives the client from inside the fetch, or the program
 * calls iotkit_job_fetch() with a short time-out (0 will do) and drives its client between two calls.
 */
#ifndef IOTKIT_OVER_H
#define IOTKIT_OVER_H

#include "iotkit_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A program's connection. Its functions are called with no lock held, on the thread that has made the
 * channel send something: any that calls a function of it, and every fetching thread, several at once
 * (subscribe and unsubscribe one at a time). They must not wait for the network, and may call
 * every function of the channel but iotkit_ota_free(). A lock that they take may not be held where the
 * program calls the channel. They return a negative IK_E… for an error; another negative number
 * counts as IK_ENETWORK.
 */
struct iotkit_transport {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
  /**
   * Sends a message, or queues it; topic and payload are valid during the call. QoS 0 or 1. Returns
   * 0, or a packet id that iotkit_ota_report_version() then returns. IK_ENOT_CONNECTED and
   * IK_EQUEUE_FULL are passing: a fetch asks again later. Called while disconnected too, with QoS 1
   * alone: a client that keeps such messages takes it; after IK_ENOT_CONNECTED the channel keeps it
   * for the next iotkit_ota_connected(), and iotkit_ota_report_version() returns 0.
   */
  int (*publish)(void *ctx, const char *topic, const void *payload, size_t len, uint8_t qos);
  /**
   * Subscribes a topic, which has no wildcards; 0 or more: done, or on its way. Only while connected,
   * and again with each iotkit_ota_connected(). An answer of the broker's that it is refused stays
   * the program's.
   */
  int (*subscribe)(void *ctx, const char *topic, uint8_t qos);
  /** Likewise, of a topic that it has subscribed; what it returns is not used. */
  int (*unsubscribe)(void *ctx, const char *topic);
  /**
   * NULL: some thread of the program drives the connection whatever a fetch does. Else a fetch does:
   * it calls this on its own thread, one at a time, to send and receive, and to feed what has come.
   * Returns once something was fed or `timeout_ms` has passed, also where there is no connection.
   * That is at most 100, so that the fetch hears of being interrupted. An error ends the fetch's call,
   * not the download.
   */
  int (*step)(void *ctx, uint32_t timeout_ms);
  void *ctx;         /**< of all; not touched */
  size_t max_packet; /**< bytes of the largest packet that can arrive; 0: 257 KiB */
};

/**
 * As iotkit_ota_new(), over `transport`, which is copied; its `ctx` must outlive the channel. It
 * begins disconnected, so nothing is called in here. Callbacks of `options` run inside
 * iotkit_ota_feed(). IK_EINVALID_ARGUMENT also: publish, subscribe or unsubscribe is NULL.
 *
 * iotkit_ota_free() unsubscribes, if connected, and waits for calls of the transport's functions
 * that fetching threads are in; not to be called by those functions.
 */
IOTKIT_API int iotkit_ota_new_over(const struct iotkit_transport *transport,
                                   const struct iotkit_ota_options *options, iotkit_ota_t **out,
                                   char *detail);
/**
 * A message has arrived. Any: those that are not the channel's are left. `topic` of `topic_len` bytes
 * needs no NUL; `dup`: it may have been delivered before. Nothing is kept of it. Any thread; a second
 * one waits for the first. Returns 1: it was the channel's; 0: it was not, or nobody here waits for
 * it; IK_EINVALID_ARGUMENT: NULL where something is needed; IK_EIN_CALLBACK: inside a callback of the
 * channel, feed it afterwards; IK_EUNSUPPORTED: the channel has a client of this library.
 */
IOTKIT_API int iotkit_ota_feed(iotkit_ota_t *ota, const char *topic, size_t topic_len,
                               const void *payload, size_t payload_len, bool dup);
/**
 * There is a connection, signed in: to be called after each connect. Subscribes everything, then
 * sends what was kept. Any thread. Returns 0, or the first error of the transport's functions;
 * what failed comes again with the next call. IK_EUNSUPPORTED as above.
 */
IOTKIT_API int iotkit_ota_connected(iotkit_ota_t *ota);
/**
 * There is none any more. Until the next iotkit_ota_connected() messages of QoS 0 fail with
 * IK_ENOT_CONNECTED, and fetches that need MQTT wait. Any thread. 0; IK_EUNSUPPORTED as above.
 */
IOTKIT_API int iotkit_ota_disconnected(iotkit_ota_t *ota);

#ifdef __cplusplus
}
#endif
#endif
