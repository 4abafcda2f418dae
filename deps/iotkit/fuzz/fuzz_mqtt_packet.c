/*
 * The reader of a broker's packets: any split of the same bytes reads as the same packets with the
 * same end, nothing above the limit is kept, and a PUBLISH writes back to the bytes it was read
 * from.
 *
 * Input: the limit, the seed of the split, then the broker's bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "iotkit_errors.h"
#include "mqtt/packet.h"
#include "mqtt/topic.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

#define RECORD_MAX ((size_t)1 << 24)

static void put(struct ik_buf *record, const void *data, size_t len) {
  CHECK(ik_buf_append(record, data, len) == 0);
}

static void check_publish(const struct ik_mqtt_packet *packet, size_t max_packet) {
  struct ik_buf again;
  ik_buf_init(&again, max_packet);
  CHECK(packet->size <= max_packet);
  CHECK(ik_mqtt_topic_name_valid(packet->publish.topic));
  CHECK(ik_mqtt_write_publish(&again, &packet->publish) == 0);
  /* A broker may write the length in up to three bytes more than it needs. */
  CHECK(ik_buf_size(&again) <= packet->size && packet->size - ik_buf_size(&again) <= 3);
  CHECK(ik_mqtt_publish_len(&packet->publish) == ik_buf_size(&again));
  ik_buf_free(&again);
}

static void note(struct ik_buf *record, const struct ik_mqtt_packet *packet, size_t max_packet) {
  const struct ik_mqtt_publish *publish = &packet->publish;
  const uint8_t head[] = {(uint8_t)packet->type,
                          packet->too_large,
                          packet->code,
                          packet->session_present,
                          publish->qos,
                          publish->dup,
                          publish->retain,
                          (uint8_t)packet->codes_len,
                          (uint8_t)packet->packet_id,
                          (uint8_t)(packet->packet_id >> 8)};
  put(record, head, sizeof(head));
  put(record, &packet->size, sizeof(packet->size));
  CHECK(packet->too_large == (packet->size > max_packet));
  if (packet->type != IK_MQTT_PUBLISH || packet->too_large) return;
  check_publish(packet, max_packet);
  put(record, publish->topic.ptr, publish->topic.len);
  put(record, publish->payload, publish->payload_len);
}

static int feed(struct ik_mqtt_reader *reader, const uint8_t *data, size_t len,
                struct ik_buf *record) {
  struct ik_mqtt_packet packet;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc;
  while ((rc = ik_mqtt_reader_next(reader, &data, &len, &packet, detail)) > 0)
    note(record, &packet, reader->max_packet);
  CHECK(rc < 0 || len == 0);
  CHECK(rc == 0 || detail[0] || rc == IK_ENO_MEMORY);
  CHECK(ik_buf_size(&reader->partial) <= reader->max_packet);
  return rc;
}

/* Pieces of 1 to 32 bytes, by the seed; 0: all together. */
static int read_all(const uint8_t *data, size_t len, size_t max_packet, uint32_t seed,
                    struct ik_buf *record) {
  struct ik_mqtt_reader reader;
  int rc = 0;
  ik_mqtt_reader_init(&reader, max_packet);
  while (len && rc == 0) {
    size_t n = len;
    if (seed) {
      seed = seed * 1103515245u + 12345u;
      n = 1 + (seed >> 16) % 32;
    }
    if (n > len) n = len;
    uint8_t *copy = malloc(n); /* of its own, so that a byte read past it shows */
    CHECK(copy);
    memcpy(copy, data, n);
    rc = feed(&reader, copy, n, record);
    free(copy);
    data += n;
    len -= n;
  }
  ik_mqtt_reader_reset(&reader);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len < 2) return 0;
  const size_t max_packet = 16 + (size_t)data[0] * 4;
  struct ik_buf whole, split;
  ik_buf_init(&whole, RECORD_MAX);
  ik_buf_init(&split, RECORD_MAX);
  const int rc = read_all(data + 2, len - 2, max_packet, 0, &whole);
  CHECK(read_all(data + 2, len - 2, max_packet, data[1] + 1u, &split) == rc);
  CHECK(ik_buf_size(&whole) == ik_buf_size(&split));
  CHECK(memcmp(ik_buf_ptr(&whole), ik_buf_ptr(&split), ik_buf_size(&whole)) == 0);
  ik_buf_free(&whole);
  ik_buf_free(&split);
  return 0;
}
