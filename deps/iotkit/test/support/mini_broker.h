/*
 * mini_broker.h - an MQTT 3.1.1 broker for one client at a time on 127.0.0.1, with its packets
 * written by hand.
 *
 * It accepts every CONNECT, SUBSCRIBE and UNSUBSCRIBE, acknowledges QoS 1, keeps what it gets, and
 * sends what a test tells it to.
 */
#ifndef TEST_MINI_BROKER_H
#define TEST_MINI_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mini_broker;

struct mini_broker *mini_broker_start(void);
uint16_t mini_broker_port(const struct mini_broker *broker);
/* Ends it, waits for its thread, frees. */
void mini_broker_stop(struct mini_broker *broker);

/* Sends a message to the client that is connected; false: there is none. */
bool mini_broker_publish(struct mini_broker *broker, const char *topic, const char *payload,
                         unsigned qos, bool dup);
/* The same for any bytes, with QoS 0. */
bool mini_broker_publish_bytes(struct mini_broker *broker, const char *topic, const void *payload,
                               size_t len);
/*
 * What answers the messages of a topic, besides their being kept: runs on the broker's thread and
 * may publish and drop. Before the client connects; 16 topics at most.
 */
typedef void (*mini_broker_answer_fn)(void *ctx, struct mini_broker *broker, const char *payload);
void mini_broker_answer(struct mini_broker *broker, const char *topic, mini_broker_answer_fn answer,
                        void *ctx);
/*
 * From now on CONNECT is answered with this code (0: accepted), and then with a message, unless topic
 * is NULL; a refused client is disconnected. The texts are the caller's until the broker has ended.
 */
void mini_broker_greet(struct mini_broker *broker, uint8_t code, const char *topic,
                       const char *payload);
/* Cuts the connection. */
void mini_broker_drop(struct mini_broker *broker);
/* The same with a reset. */
void mini_broker_reset(struct mini_broker *broker);
/* From now on each packet takes it so long. */
void mini_broker_set_delay(struct mini_broker *broker, uint32_t ms);

/*
 * Waits for the `index`-th message on the topic, TEST_LIMIT_MS at most; its payload as a string,
 * its QoS.
 */
bool mini_broker_wait(struct mini_broker *broker, const char *topic, unsigned index, char *payload,
                      size_t cap, unsigned *qos);
/* How many came on the topic so far. */
unsigned mini_broker_count(struct mini_broker *broker, const char *topic);
/* Whether the filter is subscribed, and with which QoS. */
bool mini_broker_subscribed(struct mini_broker *broker, const char *filter, unsigned *qos);
/* Waits until it is not (any more). */
bool mini_broker_wait_unsubscribed(struct mini_broker *broker, const char *filter);
/* Waits until it is. */
bool mini_broker_wait_subscribed(struct mini_broker *broker, const char *filter);
/* Waits for that many DISCONNECTs since its start; false: there were more, or not so many. */
bool mini_broker_wait_disconnects(struct mini_broker *broker, unsigned count);

#endif
