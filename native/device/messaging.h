// messaging.h - the messages that a program sends and receives over its device's connection.
#ifndef IOTKIT_NATIVE_DEVICE_MESSAGING_H
#define IOTKIT_NATIVE_DEVICE_MESSAGING_H

#include <iotkit.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace iotkit {

// One message for one subscription; four of these words in a row are what JavaScript reads.
struct MessageHead {
  uint32_t subscription; // its id, as lib/ chose it; kUnclaimed
  uint32_t flags;        // QoS, kRetain, kDup
  uint32_t topic;        // index into MessageBatch::topics
  uint32_t length;       // bytes of its payload
};

// Messages in the order in which they came, for one call of JavaScript. Payloads are copied and
// stand one after the other; a topic that repeats the one before it stands once.
struct MessageBatch {
  // No subscription of this process took it, such as one that the broker has kept for a session.
  static constexpr uint32_t kUnclaimed = 0;
  static constexpr uint32_t kRetain = 4;
  static constexpr uint32_t kDup = 8;

  std::vector<MessageHead> heads;
  std::vector<std::string> topics;
  std::vector<uint8_t> payloads;

  void Clear();
};

// Hears that messages wait. I/O thread, with no lock held.
class MessageQueueListener {
 public:
  virtual ~MessageQueueListener() = default;
  // There was none before.
  virtual void OnFirstMessage() = 0;
  // So many wait that the socket must not be read until they are taken. Of each one more.
  virtual void OnManyMessages() = 0;
};

// A device's subscriptions, and the messages that wait for JavaScript. Subscribe, Listen, Unsubscribe
// and Take run on the JS thread, OnMessage and PushUnclaimed on the I/O thread. A subscription's memory
// outlives its handler: it is released after iotkit_mqtt_unsubscribe has returned, or with this object,
// after the client.
class Messaging final {
 public:
  explicit Messaging(MessageQueueListener *listener) : listener_(listener) {}
  Messaging(const Messaging &) = delete;
  Messaging &operator=(const Messaging &) = delete;

  // The packet id, 0: it goes out with the next connection; or a negative error. `id` is new.
  int Subscribe(iotkit_mqtt_t *client, uint32_t id, const std::string &filter, uint8_t qos);
  // Its messages come, but the broker is not asked for them. 0, or a negative error. `id` is new.
  int Listen(iotkit_mqtt_t *client, uint32_t id, const std::string &filter);
  // The client is NULL when it must not be used any more: then the end of it ends the handler.
  void Unsubscribe(iotkit_mqtt_t *client, uint32_t id);
  // Swaps what waits with `out`. Both are empty, or nullptr until there were messages.
  void Take(std::unique_ptr<MessageBatch> *out);
  // One that came to the client itself.
  void PushUnclaimed(const iotkit_mqtt_message &message) {
    Push(MessageBatch::kUnclaimed, message);
  }

 private:
  struct Subscription {
    Messaging *messaging;
    uint32_t id;
    std::string filter;
    bool listens;
  };

  static void OnMessage(void *subscription, iotkit_mqtt_t *client,
                        const iotkit_mqtt_message *message);
  void Push(uint32_t id, const iotkit_mqtt_message &message);

  MessageQueueListener *const listener_;
  std::map<uint32_t, std::unique_ptr<Subscription>> subscriptions_; // JS thread

  std::mutex mutex_;                      // of the following
  std::unique_ptr<MessageBatch> waiting_; // nullptr: as if empty
};

} // namespace iotkit

#endif
