#include "device/messaging.h"

#include <cstring>

namespace iotkit {

namespace {

// From so many messages, or bytes of payload, on, the socket is not read until JavaScript has taken
// them. What one step of the client takes in is still added.
constexpr size_t kMany = 256;
constexpr size_t kManyBytes = size_t{256} * 1024;
// What a batch may keep of its memory for the next one.
constexpr size_t kKeptBytes = 2 * kManyBytes;

uint32_t FlagsOf(const iotkit_mqtt_message &message) {
  return message.qos | (message.retain ? MessageBatch::kRetain : 0) |
         (message.dup ? MessageBatch::kDup : 0);
}

bool IsTopic(const std::string &topic, const iotkit_mqtt_message &message) {
  return topic.size() == message.topic_len &&
         std::memcmp(topic.data(), message.topic, message.topic_len) == 0;
}

} // namespace

void MessageBatch::Clear() {
  heads.clear();
  topics.clear();
  if (payloads.capacity() > kKeptBytes) {
    payloads = std::vector<uint8_t>();
  } else {
    payloads.clear();
  }
}

// ---- JS thread ----

int Messaging::Subscribe(iotkit_mqtt_t *client, uint32_t id, const std::string &filter,
                         uint8_t qos) {
  auto subscription = std::make_unique<Subscription>(Subscription{this, id, filter, false});
  int rc = iotkit_mqtt_subscribe(client, filter.c_str(), qos, OnMessage, subscription.get());
  if (rc >= 0) subscriptions_[id] = std::move(subscription);
  return rc;
}

int Messaging::Listen(iotkit_mqtt_t *client, uint32_t id, const std::string &filter) {
  auto subscription = std::make_unique<Subscription>(Subscription{this, id, filter, true});
  int rc = iotkit_mqtt_listen(client, filter.c_str(), OnMessage, subscription.get());
  if (rc >= 0) subscriptions_[id] = std::move(subscription);
  return rc;
}

void Messaging::Unsubscribe(iotkit_mqtt_t *client, uint32_t id) {
  auto found = subscriptions_.find(id);
  if (found == subscriptions_.end() || client == nullptr) return;
  iotkit_mqtt_unsubscribe(client, found->second->filter.c_str(), OnMessage, found->second.get());
  // What was listened to, the broker has been asked for by iotkit_mqtt_ask().
  if (found->second->listens) iotkit_mqtt_forget(client, found->second->filter.c_str());
  subscriptions_.erase(found);
}

void Messaging::Take(std::unique_ptr<MessageBatch> *out) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::swap(waiting_, *out);
}

// ---- I/O thread ----

void Messaging::OnMessage(void *subscription, iotkit_mqtt_t * /*client*/,
                          const iotkit_mqtt_message *message) {
  auto *self = static_cast<Subscription *>(subscription);
  self->messaging->Push(self->id, *message);
}

void Messaging::Push(uint32_t id, const iotkit_mqtt_message &message) {
  bool first;
  bool many;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_ == nullptr) waiting_ = std::make_unique<MessageBatch>();
    first = waiting_->heads.empty();
    if (first || !IsTopic(waiting_->topics.back(), message))
      waiting_->topics.emplace_back(message.topic, message.topic_len);
    waiting_->heads.push_back({id, FlagsOf(message),
                               static_cast<uint32_t>(waiting_->topics.size() - 1),
                               static_cast<uint32_t>(message.payload_len)});
    waiting_->payloads.insert(waiting_->payloads.end(), message.payload,
                              message.payload + message.payload_len);
    many = waiting_->heads.size() >= kMany || waiting_->payloads.size() >= kManyBytes;
  }
  if (many) listener_->OnManyMessages();
  if (first) listener_->OnFirstMessage();
}

} // namespace iotkit
