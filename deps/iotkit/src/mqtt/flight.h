/*
 * flight.h - publishes with QoS 1 and 2 on their way: kept as written packets, in order, until they
 * are acknowledged.
 *
 * Publishes that this connection has not sent yet stand after those that it has. One with QoS 2 that
 * the broker has (PUBREC) becomes its PUBREL, which is sent again instead of it.
 */
#ifndef IK_MQTT_FLIGHT_H
#define IK_MQTT_FLIGHT_H

#include "mqtt/packet.h"

struct ik_mqtt_flight {
  struct ik_mqtt_flight *next;
  size_t len;
  uint16_t packet_id;
  uint8_t qos;
  bool tried;    /* some connection has begun to send it: DUP from then on */
  bool released; /* QoS 2: PUBREC came, and `packet` is the PUBREL */
  uint8_t packet[];
};

struct ik_mqtt_flights {
  struct ik_mqtt_flight *first; /* owned, oldest first */
  struct ik_mqtt_flight *last;
  struct ik_mqtt_flight
      *unsent; /* the first that this connection has not sent; NULL: all are sent */
  size_t unsent_bytes;
  uint32_t count;
};

/* Appends a message; publish->packet_id is its identifier. IK_ENO_MEMORY, IK_ETOO_LONG. */
int ik_mqtt_flights_add(struct ik_mqtt_flights *flights, const struct ik_mqtt_publish *publish);
/* Appends the first unsent packet to `out`; there must be one. IK_ENO_MEMORY. */
int ik_mqtt_flights_send(struct ik_mqtt_flights *flights, struct ik_buf *out);
/* PUBREC for a message that this connection has sent: true as often as it comes. False: for none. */
bool ik_mqtt_flights_release(struct ik_mqtt_flights *flights, uint16_t packet_id);
/*
 * Removes a message that this connection has sent. `by` is PUBACK or PUBCOMP. False: there is none
 * with that identifier that waits for it.
 */
bool ik_mqtt_flights_done(struct ik_mqtt_flights *flights, enum ik_mqtt_type by,
                          uint16_t packet_id);
/* The connection is gone: all are to be sent again. */
void ik_mqtt_flights_rewind(struct ik_mqtt_flights *flights);
/* Removes the oldest and returns its identifier, 0: none. */
uint16_t ik_mqtt_flights_pop(struct ik_mqtt_flights *flights);

#endif
