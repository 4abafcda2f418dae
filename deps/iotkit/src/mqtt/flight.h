/*
 * flight.h - QoS 1 publishes on their way: kept as written packets, in order, until they are
 * acknowledged.
 *
 * Those that this connection has not sent yet stand behind those that it has.
 */
#ifndef IK_MQTT_FLIGHT_H
#define IK_MQTT_FLIGHT_H

#include "packet.h"

struct ik_mqtt_flight {
  struct ik_mqtt_flight *next;
  size_t len;
  uint16_t packet_id;
  bool tried; /* some connection has begun to send it: DUP from then on */
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
/* Removes a message that this connection has sent. False: there is none with that identifier. */
bool ik_mqtt_flights_done(struct ik_mqtt_flights *flights, uint16_t packet_id);
/* The connection is gone: all are to be sent again. */
void ik_mqtt_flights_rewind(struct ik_mqtt_flights *flights);
/* Removes the oldest and returns its identifier, 0: none. */
uint16_t ik_mqtt_flights_pop(struct ik_mqtt_flights *flights);

#endif
