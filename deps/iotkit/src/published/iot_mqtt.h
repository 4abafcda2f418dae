/*
 * iot_mqtt.h - the room of the published API (IOT_*, HAL_*, iotx_*): thin functions over the
 * client, the channel and their jobs, with the names and numbers of the vendor's SDK. It may
 * include base, mqtt, alink, port, core, client, download and channel; nothing includes it.
 *
 * And the handle of IOT_MQTT_Construct, for the IOT_MQTT_* and IOT_OTA_* functions. A handle owns
 * its client and one subscription for each function that was subscribed. It is counted: the program
 * has a reference from Construct to Destroy, each OTA handle over it one from Init to Deinit, each
 * call one while it runs. So the two ends may come in any order; after Destroy the client is closed,
 * and what still needs it only hears so.
 */
#ifndef IK_PUBLISHED_IOT_MQTT_H
#define IK_PUBLISHED_IOT_MQTT_H

#include "client/client.h"
#include "exports/iot_export_mqtt.h"
#include "published/iot_handles.h"

#define IK_IOT_FETCHERS 8 /* threads that fetch by one handle; of more, the last ones count */

struct ik_iot_subscription {
  struct ik_iot_subscription *next;
  struct ik_iot_mqtt *handle;
  iotx_mqtt_event_handle_func_fpt fn;
  void *ctx;
  char *filter; /* owned */
};

/* A thread in Subscribe_Sync; on its stack. */
struct ik_iot_waiter {
  struct ik_iot_waiter *next;
  uint16_t packet_id;
  bool answered;
  int error;
};

struct ik_iot_mqtt {
  struct ik_iot_handle counted;
  /* fixed */
  iotkit_mqtt_t *client;
  iotx_mqtt_event_handle_t on_event;
  uint32_t write_max;
  uint32_t request_timeout_ms;
  /* driver thread */
  bool online;
  bool was_online;
  /* Taken before the client's mutex, if both are; not held while a callback runs. */
  struct ik_mutex *mutex;
  /* mutex */
  struct ik_iot_subscription *subscriptions;
  struct ik_iot_waiter *waiters;
  uintptr_t fetchers
      [IK_IOT_FETCHERS]; /* threads, or whom they act for, whose next Yield does not wait; 0: free */
  size_t next_fetcher;
};

/* See ik_iot_handle_take() and ik_iot_handle_drop(). Any thread. */
struct ik_iot_mqtt *ik_iot_mqtt_take(void *given);
void ik_iot_mqtt_drop(struct ik_iot_mqtt *handle);

/*
 * The client beneath a handle of IOT_MQTT_Construct; NULL for NULL. It lives as long as the handle,
 * which needs a reference.
 */
iotkit_mqtt_t *ik_iot_mqtt_client(void *handle);
/*
 * The calling thread has fetched. `more`: something came, and there is more: then its next
 * IOT_MQTT_Yield on this handle, which stands between two fetches, does what is ready and returns.
 * Only that one: a program that yields without fetching waits as ever. Any thread.
 */
void ik_iot_mqtt_note_fetch(struct ik_iot_mqtt *handle, bool more);

/*
 * An iotkit_mqtt_message_fn; ctx is the subscription, which may be gone when the program's function
 * has run.
 */
void ik_iot_mqtt_on_message(void *ctx, iotkit_mqtt_t *client,
                            const struct iotkit_mqtt_message *message);

#endif
