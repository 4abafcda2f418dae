// attachment.h - an OTA channel over a connection that the program has.
#ifndef IOTKIT_NATIVE_DEVICE_ATTACHMENT_H
#define IOTKIT_NATIVE_DEVICE_ATTACHMENT_H

#include <iotkit.h>

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "device/channel.h"
#include "device/connection.h"
#include "runtime/closing.h"
#include "runtime/mailbox.h"

namespace iotkit {

class DeviceOptions;
class Environment;

// What is to be sent or subscribed.
struct TransportCall {
  enum class Kind { kPublish, kSubscribe, kUnsubscribe };
  Kind kind;
  std::string topic;
  std::string payload;
  int qos;
  int packet_id; // 0: QoS 0
};

// Who carries it out, on the JS thread.
class TransportListener {
 public:
  virtual ~TransportListener() = default;
  virtual void OnCall(Napi::Env env, const TransportCall &call) = 0;
};

// Made, fed and closed on the JS thread. The transport's functions run on the JS thread and on
// download threads: they only put calls into a bounded ring, which Deliver carries out on the JS
// thread, in order. The channel's callbacks run inside Feed and put events into another one, so that
// no JavaScript runs inside the C SDK. There is no thread of its own; download threads that use the
// channel are waited for when it is freed, none of which waits for the JS thread.
//
//            closing_ ended_   next
//   open        -       -      closing by Close(); ended by AwaitEnd
//   closing     x       -      the channel is freed; ended by Deliver, or by AwaitEnd
//   ended       x       x      final: nothing more reaches JavaScript
class Attachment final : public Source, public Closing, public EventSink {
 public:
  Attachment(Environment *environment, std::unique_ptr<ConnectionListener> listener,
             std::unique_ptr<TransportListener> transport);
  ~Attachment() override;

  // JS thread.
  int Open(DeviceOptions *options, char *detail);
  // nullptr once it is closing.
  Channel *channel() { return channel_.ota() == nullptr ? nullptr : &channel_; }
  // Whether the message was the channel's.
  bool Feed(const std::string &topic, const uint8_t *payload, size_t len, bool dup);
  void SetConnected(bool connected);
  // A message of QoS 1 that the last connection did not take, for the next one. false: too many.
  bool Keep(TransportCall call);
  // Gives the subscriptions back, then OnClosed.
  void Close();
  void Interrupt() override {}
  void AwaitEnd() override;
  void SetHeld(bool held);
  void SetBandwidthLimit(uint64_t bytes_per_second);

 private:
  // Any thread.
  static int Publish(void *ctx, const char *topic, const void *payload, size_t len, uint8_t qos);
  static int Subscribe(void *ctx, const char *topic, uint8_t qos);
  static int Unsubscribe(void *ctx, const char *topic);
  int PushCall(TransportCall call);

  // JS thread.
  void PushEvent(Event event) override;
  void Deliver(Napi::Env env) override;
  void DeliverEvent(Napi::Env env, const Event &event);
  void DeliverClosed(Napi::Env env);

  Environment *const environment_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::atomic<uint32_t> last_packet_id_{0};

  std::mutex mutex_; // of the following
  std::list<TransportCall> calls_;
  size_t call_bytes_ = 0;
  bool connected_ = false;
  std::list<TransportCall> kept_; // for the next connection

  // JS thread.
  Channel channel_{this, 0};
  iotkit_limiter_t *limiter_ = nullptr;
  std::list<Event> events_;
  std::unique_ptr<ConnectionListener> listener_; // nullptr: ended
  std::unique_ptr<TransportListener> transport_;
  bool closing_ = false;
  bool ended_ = false;
  bool held_ = false;
};

} // namespace iotkit

#endif
