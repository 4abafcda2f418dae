// connection.h - one device's MQTT client, its OTA channel and its remote configuration.
#ifndef IOTKIT_NATIVE_DEVICE_CONNECTION_H
#define IOTKIT_NATIVE_DEVICE_CONNECTION_H

#include <iotkit.h>

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "device/channel.h"
#include "device/gateway.h"
#include "device/messaging.h"
#include "download/fetch_options.h"
#include "runtime/closing.h"
#include "runtime/mailbox.h"

namespace iotkit {

class DeviceOptions;
class Environment;

struct ConnectionState {
  iotkit_mqtt_state state = IOTKIT_MQTT_IDLE;
  int error = 0; // the last one since the report before
  std::string detail;
  uint32_t connects = 0;
  bool session_present = false;
};

// Who hears what happens to a connection, on the JS thread. `channel`: that of a sub-device, 0: the
// device's own.
class ConnectionListener : public ChannelListener {
 public:
  virtual void OnState(Napi::Env env, const ConnectionState &state) = 0;
  virtual void OnPublished(Napi::Env env, int packet_id, int error, const std::string &detail) = 0;
  // The answer to a subscription; its QoS as granted.
  virtual void OnSubscribed(Napi::Env env, int packet_id, int qos, int error,
                            const std::string &detail) = 0;
  virtual void OnMessages(Napi::Env env, const MessageBatch &batch) = 0;
  // The answer to a request of the gateway: kGatewayAnswer.
  virtual void OnGatewayAnswer(Napi::Env env, const Event &answer) = 0;
  // Something has happened to a sub-device: kSubDevice.
  virtual void OnSubDevice(Napi::Env env, const Event &event) = 0;
  // The last call.
  virtual void OnClosed(Napi::Env env) = 0;
};

// Opened, used and ended on the JS thread; the client's callbacks, AddToLoop, Disconnect and Free
// run on the I/O thread. Client, channels and gateway are freed only by Free, which only the JS thread
// sets off: until then the JS thread may use them without a lock. States are
// latest-wins; other events and messages wait in two rings, and while one of them is long, or
// JavaScript holds the reading, the socket is not read.
//
// Its life:
//            closing_ ended_ freed_   next
//   open        -       -      -      closing by Close(), or by Interrupt()
//   closing     x       -      -      freed: by Close() once the client has disconnected (at most
//                                     2 s), by Interrupt() without a word to the broker
//   freed       x       -      x      ended by Deliver, or by AwaitEnd
//   ended       x       x      x      final: nothing more reaches JavaScript
// When Open fails half way, UndoOpen goes from open to ended.
class Connection final : public Source,
                         public Closing,
                         private MessageQueueListener,
                         private EventSink {
 public:
  Connection(Environment *environment, std::unique_ptr<ConnectionListener> listener);
  ~Connection() override;

  // JS thread.
  int Open(DeviceOptions *options, char *detail);
  // The device's own with 0, else a sub-device's; NULL: there is none, or Close or Interrupt has been
  // called.
  Channel *channel(uint32_t id);
  // Opened with the first call. IK_ECLOSED; the errors of iotkit_gateway_new().
  int OpenGateway(Gateway **out);
  // Of a sub-device, which fetches like the device.
  int OpenChannel(uint32_t id, const std::string &product_key, const std::string &device_name);
  void CloseChannel(uint32_t id);
  iotkit_mqtt_t *client() const { return closing_ ? nullptr : client_; }
  Messaging &messaging() { return messaging_; }
  // While it is held nothing is read: no message, and no acknowledgement either.
  void HoldReading(bool held);
  // DISCONNECT, then OnClosed.
  void Close();
  // The environment ends: OnClosed is not called.
  void Interrupt() override;
  void AwaitEnd() override;
  // Whether it keeps the event loop alive.
  void SetHeld(bool held);
  // Of all downloads of the device; 0: no limit.
  void SetBandwidthLimit(uint64_t bytes_per_second);

 private:
  // I/O thread.
  void AddToLoop();
  void Disconnect();
  void Free();
  void ApplyReading();
  static void OnMqtt(void *ctx, iotkit_mqtt_t *client, const iotkit_mqtt_event *event);
  void OnState(const iotkit_mqtt_event &event);
  void OnAnswer(Event::Kind kind, const iotkit_mqtt_event &event);
  void OnSkipped(const iotkit_mqtt_event &event);
  void PushEvent(Event event) override;
  void PauseReading();
  void OnFirstMessage() override;
  void OnManyMessages() override;

  // JS thread.
  int OpenAs(DeviceOptions *options, const iotkit_sign_in &identity, char *detail);
  int OpenClient(const DeviceOptions &options, const iotkit_sign_in &identity, char *detail);
  int OpenOwnChannel(DeviceOptions *options, char *detail);
  void UndoOpen();
  int RunOnLoop(void (Connection::*method)());
  void Deliver(Napi::Env env) override;
  void DeliverState(Napi::Env env);
  void DeliverEvent(Napi::Env env, Event *event);
  void DeliverMessages(Napi::Env env);
  void DeliverClosed(Napi::Env env);

  Environment *const environment_;
  const std::shared_ptr<Mailbox> mailbox_;
  iotkit_loop_t *loop_ = nullptr;
  iotkit_mqtt_t *client_ = nullptr;
  Channel channel_{this, 0};
  Gateway gateway_{this};
  iotkit_limiter_t *limiter_ = nullptr;
  Messaging messaging_{this};
  // JS thread: for the channels of sub-devices. channel_ has references to what fetch_ borrows.
  std::shared_ptr<const FetchOptions> fetch_;
  std::string product_key_;
  std::string device_name_;
  bool disconnecting_ = false; // I/O thread: the client's end is the connection's

  std::mutex mutex_; // of the following
  std::condition_variable freed_changed_;
  bool freed_ = false;
  ConnectionState state_;
  bool state_changed_ = false; // since DeliverState
  std::list<Event> events_;
  bool ring_is_long_ = false; // until Deliver has emptied the rings
  bool reading_held_ = false; // by JavaScript

  // JS thread.
  std::unique_ptr<ConnectionListener> listener_; // nullptr: ended
  bool closing_ = false;
  bool ended_ = false;
  bool held_ = false;
  std::unique_ptr<MessageBatch> batch_; // empty but while it is delivered
};

} // namespace iotkit

#endif
