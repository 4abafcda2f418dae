/* Tested by deps/iotkit/test/mqtt/test_session_out.c. */
/*
 * flight.c - the list of unacknowledged publishes; it owns its entries.
 */
#include "mqtt/flight.h"

#include <stdlib.h>

#include "iotkit_errors.h"

int ik_mqtt_flights_add(struct ik_mqtt_flights *flights, const struct ik_mqtt_publish *publish) {
  const size_t len = ik_mqtt_publish_len(publish);
  if (len == SIZE_MAX) return IK_ETOO_LONG;
  struct ik_mqtt_flight *flight = malloc(sizeof(*flight) + len);
  if (!flight) return IK_ENO_MEMORY;
  struct ik_buf packet = {
      .data = flight->packet, .cap = len, .max = len}; /* never grows: it has all the room */
  const int rc = ik_mqtt_write_publish(&packet, publish);
  if (rc < 0) {
    free(flight);
    return rc;
  }
  flight->next = NULL;
  flight->len = len;
  flight->packet_id = publish->packet_id;
  flight->qos = publish->qos;
  flight->tried = false;
  flight->released = false;
  if (flights->last)
    flights->last->next = flight;
  else
    flights->first = flight;
  flights->last = flight;
  if (!flights->unsent) flights->unsent = flight;
  flights->unsent_bytes += len;
  flights->count++;
  return 0;
}

int ik_mqtt_flights_send(struct ik_mqtt_flights *flights, struct ik_buf *out) {
  struct ik_mqtt_flight *flight = flights->unsent;
  if (flight->tried && !flight->released) ik_mqtt_set_dup(flight->packet);
  const int rc = ik_buf_append(out, flight->packet, flight->len);
  if (rc < 0) return rc;
  flight->tried = true;
  flights->unsent = flight->next;
  flights->unsent_bytes -= flight->len;
  return 0;
}

static void unlink_after(struct ik_mqtt_flights *flights, struct ik_mqtt_flight *previous,
                         struct ik_mqtt_flight *flight) {
  if (previous)
    previous->next = flight->next;
  else
    flights->first = flight->next;
  if (flights->last == flight) flights->last = previous;
  flights->count--;
  free(flight);
}

/* The one that this connection has sent, and which stands before it; NULL: there is none. */
static struct ik_mqtt_flight *find_sent(const struct ik_mqtt_flights *flights, uint16_t packet_id,
                                        struct ik_mqtt_flight **previous) {
  struct ik_mqtt_flight *flight = flights->first;
  *previous = NULL;
  while (flight != flights->unsent && flight->packet_id != packet_id) {
    *previous = flight;
    flight = flight->next;
  }
  return flight == flights->unsent ? NULL : flight;
}

bool ik_mqtt_flights_release(struct ik_mqtt_flights *flights, uint16_t packet_id) {
  struct ik_mqtt_flight *previous;
  struct ik_mqtt_flight *flight = find_sent(flights, packet_id, &previous);
  if (!flight || flight->qos != 2) return false;
  if (flight->released) return true;
  struct ik_buf packet = {.data = flight->packet, .cap = flight->len, .max = flight->len};
  (void)ik_mqtt_write_ack(&packet, IK_MQTT_PUBREL, packet_id); /* shorter than any publish */
  flight->len = ik_buf_size(&packet);
  flight->released = true;
  return true;
}

bool ik_mqtt_flights_done(struct ik_mqtt_flights *flights, enum ik_mqtt_type by,
                          uint16_t packet_id) {
  struct ik_mqtt_flight *previous;
  struct ik_mqtt_flight *flight = find_sent(flights, packet_id, &previous);
  if (!flight || (by == IK_MQTT_PUBACK ? flight->qos != 1 : !flight->released)) return false;
  unlink_after(flights, previous, flight);
  return true;
}

void ik_mqtt_flights_rewind(struct ik_mqtt_flights *flights) {
  for (struct ik_mqtt_flight *flight = flights->first; flight != flights->unsent;
       flight = flight->next)
    flights->unsent_bytes += flight->len;
  flights->unsent = flights->first;
}

uint16_t ik_mqtt_flights_pop(struct ik_mqtt_flights *flights) {
  struct ik_mqtt_flight *flight = flights->first;
  if (!flight) return 0;
  const uint16_t packet_id = flight->packet_id;
  if (flights->unsent == flight) {
    flights->unsent = flight->next;
    flights->unsent_bytes -= flight->len;
  }
  unlink_after(flights, NULL, flight);
  return packet_id;
}
