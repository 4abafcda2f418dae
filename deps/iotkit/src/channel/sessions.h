/*
 * sessions.h - the sub-devices' sessions at the platform: logs in and out, hears of what becomes of
 * them, and opens and shuts their channels accordingly.
 *
 *   subdevices, shared_configs < subchannels; topo_requests, topo_line < sessions < inbox < gateway
 *
 * Everything here is guarded by the mutex of the gateway's line. "Driver": on the thread that steps the
 * client, without the mutex; such a function may run the program's callbacks. A sub-device is freed by
 * the driver alone (ik_sessions_step), so its names may be read there without the mutex.
 *
 * Order of locks: this mutex, then that of a channel's line, then the client's.
 */
#ifndef IK_CHANNEL_SESSIONS_H
#define IK_CHANNEL_SESSIONS_H

#include "channel/line.h"
#include "channel/subchannels.h"
#include "channel/subdevices.h"
#include "channel/topo_requests.h"

struct ik_sessions {
  struct ik_line *line;  /* the gateway's; borrowed */
  iotkit_mqtt_t *client; /* likewise */
  /* Reports to the program. Driver. */
  void (*notify)(void *ctx, const struct iotkit_gateway_event *event);
  void *ctx;
  /* with the mutex */
  struct ik_subdevices subs;
  struct ik_topo_requests requests;
  struct ik_subchannels channels;
  bool throttled; /* the next step backs off: answers have no clock */
};

void ik_sessions_init(struct ik_sessions *sessions, struct ik_line *line, iotkit_mqtt_t *client,
                      struct ik_mqtt_companion *companion, uint32_t timeout_ms);
void ik_sessions_deinit(struct ik_sessions *sessions);

/*
 * These devices, all of them checked, are to be logged in. IK_ESUBDEVICE_LIMIT; IK_ENO_MEMORY: those
 * before the one without memory are. With the mutex held.
 */
int ik_sessions_want(struct ik_sessions *sessions, const struct iotkit_subdevice *devices,
                     size_t count);
/* The device is not to be logged in; names that are not known are left out. With the mutex held. */
void ik_sessions_unwant(struct ik_sessions *sessions, struct ik_str product_key,
                        struct ik_str device_name);

/* The answer to a login or a logout: `message`, or NULL and why there is none. Driver. */
void ik_sessions_answer(struct ik_sessions *sessions, const struct ik_topo_request *request,
                        int error, const struct ik_topo_message *message);
/* A change of the topology of one sub-device, known or not. Driver. */
void ik_sessions_change(struct ik_sessions *sessions, const struct iotkit_subdevice_name *name,
                        enum ik_topo_change change);
/* What /ext/error says about one. Driver. */
void ik_sessions_error(struct ik_sessions *sessions, const struct iotkit_subdevice_name *name,
                       const struct ik_topo_message *message);
/* The platform has taken it out of the topology, as the gateway asked for. Driver. */
void ik_sessions_forget(struct ik_sessions *sessions, const struct iotkit_subdevice_name *name);

/* The connection in which all were logged in is gone. Driver. */
void ik_sessions_lose(struct ik_sessions *sessions, uint64_t now_ms);
/*
 * Sends what is due in the connection `connects`, 0: there is none; frees what was forgotten. Returns
 * when to be called again at the latest. Driver.
 */
uint64_t ik_sessions_step(struct ik_sessions *sessions, unsigned connects, uint64_t now_ms);

#endif
