/*
 * time.c - reads and composes the messages of the platform's clock, and computes readings.
 */
#include "alink/time.h"

#include <inttypes.h>

#include "alink/fields.h"
#include "base/limits.h"
#include "iotkit_errors.h"

#define MESSAGE_MAX (4 * IK_KIB)
#define YEAR_9999_MS ((uint64_t)253402300799999)
#define RESOLUTION_MS 1 /* of either clock */

int ik_time_write_request(struct ik_buf *out, uint64_t device_send) {
  return ik_buf_printf(out, "{\"deviceSendTime\":\"%" PRIu64 "\"}", device_send);
}

static int read_time(const struct ik_fields *in, const char *key, uint64_t *out) {
  const struct ik_json_node *node = ik_fields_get(in, key);
  if (node == NULL) return ik_fields_refuse(in, key, "is missing");
  if (!ik_json_u64(node, out)) return ik_fields_refuse(in, key, "is not a number of milliseconds");
  if (*out == 0 || *out > YEAR_9999_MS) return ik_fields_refuse(in, key, "is out of range");
  return 0;
}

static int read_answer(const struct ik_fields *in, struct ik_time_answer *out) {
  const struct ik_json_node *sent = ik_fields_get(in, "deviceSendTime");
  if (sent == NULL) return ik_fields_refuse(in, "deviceSendTime", "is missing");
  if (!ik_json_u64(sent, &out->device_send)) {
    out->device_send = 0;
    return ik_fields_refuse(in, "deviceSendTime", "is not what was sent");
  }
  int rc = read_time(in, "serverRecvTime", &out->server_recv);
  if (rc == 0) rc = read_time(in, "serverSendTime", &out->server_send);
  if (rc == 0 && out->server_send < out->server_recv)
    rc = ik_fields_refuse(in, "serverSendTime", "is before serverRecvTime");
  return rc;
}

int ik_time_parse(struct ik_str text, struct ik_time_answer *out, char *detail) {
  struct ik_json json;
  *out = (struct ik_time_answer){0};
  if (text.len > MESSAGE_MAX)
    return ik_refuse(detail, IK_ETOO_LONG, "the message is longer than %zu bytes", MESSAGE_MAX);
  int rc = ik_fields_parse(text, &json, detail);
  if (rc != 0) return rc;
  struct ik_fields root = {&json, ik_json_root(&json), detail};
  if (root.object->type != IK_JSON_OBJECT) {
    rc = ik_fields_refuse(&root, "message", "is not an object");
  } else {
    rc = read_answer(&root, out);
  }
  ik_json_free(&json);
  return rc;
}

int ik_time_read(const struct ik_time_answer *answer, const struct ik_time_exchange *exchange,
                 struct iotkit_time_reading *out, char *detail) {
  const uint64_t took = exchange->received_ms - exchange->sent_ms;
  const uint64_t there = answer->server_send - answer->server_recv;
  if (there > took + RESOLUTION_MS)
    return ik_refuse(detail, IK_ENOTICE_FIELD,
                     "serverSendTime: is later after serverRecvTime than the exchange took");
  const uint64_t on_the_way = there < took ? took - there : 0;
  const uint64_t uncertainty = (on_the_way + 1) / 2 + RESOLUTION_MS;
  out->time_ms = answer->server_send + on_the_way / 2;
  out->at_ms = exchange->received_ms;
  out->offset_ms = (int64_t)(out->time_ms - exchange->wall_ms);
  out->uncertainty_ms = uncertainty < UINT32_MAX ? (uint32_t)uncertainty : UINT32_MAX;
  return 0;
}
