// connection.h - one device's MQTT client, its OTA channel and its remote configuration.
#ifndef IOTKIT_NATIVE_DEVICE_CONNECTION_H
#define IOTKIT_NATIVE_DEVICE_CONNECTION_H

#include <iotkit.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "device/messaging.h"
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

// Who hears what happens to a connection, on the JS thread.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  virtual void OnState(Napi::Env env, const ConnectionState &state) = 0;
  virtual void OnPublished(Napi::Env env, int packet_id, int error, const std::string &detail) = 0;
  // The answer to a subscription; its QoS as granted.
  virtual void OnSubscribed(Napi::Env env, int packet_id, int qos, int error,
                            const std::string &detail) = 0;
  virtual void OnMessages(Napi::Env env, const MessageBatch &batch) = 0;
  // Takes over the reference.
  virtual void OnUpgrade(Napi::Env env, iotkit_job_t *job) = 0;
  virtual void OnRefused(Napi::Env env, int error, const std::string &detail,
                         const std::string &request_id) = 0;
  virtual void OnNothing(Napi::Env env, const std::string &request_id) = 0;
  // Takes over the reference.
  virtual void OnConfig(Napi::Env env, iotkit_job_t *job) = 0;
  virtual void OnConfigRefused(Napi::Env env, int error, const std::string &detail,
                               const std::string &request_id) = 0;
  virtual void OnConfigNothing(Napi::Env env, const std::string &request_id) = 0;
  virtual void OnTime(Napi::Env env, const iotkit_time_reading &reading,
                      const std::string &request_id) = 0;
  virtual void OnTimeRefused(Napi::Env env, int error, const std::string &detail,
                             const std::string &request_id) = 0;
  // The last call.
  virtual void OnClosed(Napi::Env env) = 0;
};

// Opened, used and ended on the JS thread; the client's callbacks, AddToLoop, Disconnect and Free
// run on the I/O thread. Client, channel, configuration and time are freed only by Free, which only
// the JS thread sets off: until then the JS thread may use them without a lock. States are
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
class Connection final : public Source, public Closing, private MessageQueueListener {
 public:
  Connection(Environment *environment, std::unique_ptr<ConnectionListener> listener);
  ~Connection() override;

  // JS thread.
  int Open(DeviceOptions *options, char *detail);
  // NULL once Close or Interrupt has been called.
  iotkit_ota_t *channel() const { return closing_ ? nullptr : ota_; }
  // The remote configuration, which is subscribed with the first call, so that a device which does
  // not use it needs no permission for it. IK_ECLOSED as above; the errors of iotkit_config_new().
  int OpenConfig(iotkit_config_t **out);
  // The platform's time, likewise.
  int OpenTime(iotkit_time_t **out);
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
  enum class EventKind {
    kPublished,
    kSubscribed,
    kUpgrade,
    kRefused,
    kNothing,
    kConfig,
    kConfigRefused,
    kConfigNothing,
    kTime,
    kTimeRefused
  };
  struct Event {
    explicit Event(EventKind event_kind, int event_error = 0)
        : kind(event_kind), error(event_error) {}
    EventKind kind;
    int error;
    int packet_id = 0;
    int qos = 0;
    std::string detail;
    std::string request_id;
    iotkit_job_t *job = nullptr;
    iotkit_time_reading reading = {};
  };

  // I/O thread.
  void AddToLoop();
  void Disconnect();
  void Free();
  void ApplyReading();
  static void OnMqtt(void *ctx, iotkit_mqtt_t *client, const iotkit_mqtt_event *event);
  static void OnUpgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job);
  static void OnRefused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                        const char *request_id);
  static void OnNothing(void *ctx, iotkit_ota_t *ota, const char *request_id);
  static void OnConfig(void *ctx, iotkit_config_t *config, iotkit_job_t *job);
  static void OnConfigRefused(void *ctx, iotkit_config_t *config, int error, const char *detail,
                              const char *request_id);
  static void OnConfigNothing(void *ctx, iotkit_config_t *config, const char *request_id);
  static void OnTime(void *ctx, iotkit_time_t *time, const iotkit_time_reading *reading,
                     const char *request_id);
  static void OnTimeRefused(void *ctx, iotkit_time_t *time, int error, const char *detail,
                            const char *request_id);
  void OnState(const iotkit_mqtt_event &event);
  void OnAnswer(EventKind kind, const iotkit_mqtt_event &event);
  void PushEvent(Event event);
  void PushJob(EventKind kind, iotkit_job_t *job);
  void PushRefusal(EventKind kind, int error, const char *detail, const char *request_id);
  void PushNothing(EventKind kind, const char *request_id);
  void PauseReading();
  void OnFirstMessage() override;
  void OnManyMessages() override;

  // JS thread.
  int OpenAs(DeviceOptions *options, const iotkit_sign_in &identity, char *detail);
  int OpenClient(const DeviceOptions &options, const iotkit_sign_in &identity, char *detail);
  int OpenChannel(DeviceOptions *options, char *detail);
  void UndoOpen();
  int RunOnLoop(void (Connection::*method)());
  void Deliver(Napi::Env env) override;
  void DeliverState(Napi::Env env);
  void DeliverEvent(Napi::Env env, const Event &event);
  void DeliverMessages(Napi::Env env);
  void DeliverClosed(Napi::Env env);

  Environment *const environment_;
  const std::shared_ptr<Mailbox> mailbox_;
  iotkit_loop_t *loop_ = nullptr;
  iotkit_mqtt_t *client_ = nullptr;
  iotkit_ota_t *ota_ = nullptr;
  iotkit_config_t *config_ = nullptr; // of ota_; since the first OpenConfig
  iotkit_time_t *time_ = nullptr;     // of ota_; since the first OpenTime
  iotkit_limiter_t *limiter_ = nullptr;
  Messaging messaging_{this};
  bool disconnecting_ = false; // I/O thread: the client's end is the connection's

  std::mutex mutex_; // of the following
  std::condition_variable freed_changed_;
  bool freed_ = false;
  ConnectionState state_;
  bool state_changed_ = false; // since DeliverState
  std::deque<Event> events_;
  bool ring_is_long_ = false; // until Deliver has emptied the rings
  bool reading_held_ = false; // by JavaScript

  // JS thread.
  std::unique_ptr<ConnectionListener> listener_; // nullptr: ended
  bool closing_ = false;
  bool ended_ = false;
  bool held_ = false;
  MessageBatch batch_; // empty but while it is delivered
};

} // namespace iotkit

#endif
