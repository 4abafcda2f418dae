// connection.h - one device's MQTT client and OTA channel.
#ifndef IOTKIT_NATIVE_CONNECTION_H
#define IOTKIT_NATIVE_CONNECTION_H

#include <iotkit.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "mailbox.h"

namespace iotkit {

class Addon;
class FetchOptions;

// What on_event gets first.
enum class DeviceEvent : int {
  kState = 1, // state, errno, detail, connects, sessionPresent
  kPublished, // packetId, errno, detail
  kUpgrade,   // job
  kRefused,   // errno, detail, requestId
  kNothing,   // requestId
  kClosed     // nothing follows
};

// Opened, asked and ended on the JS thread; the client's callbacks, Add, Halt and Reap run on the
// I/O thread. Client and channel are freed only by Reap, which only the JS thread sets off: until
// then it may use them without a lock. States are latest-wins; other events wait in a ring, and
// while that is long the socket is not read.
class Connection final : public Source {
 public:
  Connection(Addon *addon, Napi::Function on_event);
  ~Connection() override;

  // JS thread. The options name the C fields; `sign` has the secret.
  int Open(const iotkit_sign_options &sign, iotkit_mqtt_options mqtt, FetchOptions *fetch,
           uint64_t bytes_per_second, char *detail);
  // NULL once Close or Kill has been called.
  iotkit_ota_t *channel() const { return closing_ ? nullptr : ota_; }
  // DISCONNECT, then kClosed.
  void Close();
  // Ends it without a word to the broker or to JavaScript; AwaitEnd waits until the I/O thread has
  // let go.
  void Kill();
  void AwaitEnd();
  void SetHeld(bool held);
  // Of all downloads of the device; 0: no limit.
  void SetBandwidthLimit(uint64_t bytes_per_second);

 private:
  struct Event {
    explicit Event(DeviceEvent event_kind, int event_error = 0)
        : kind(event_kind), error(event_error) {}
    DeviceEvent kind;
    int error;
    int packet_id = 0;
    std::string text;
    std::string request_id; // of what was refused
    iotkit_job_t *job = nullptr;
  };

  // I/O thread.
  void Add();
  void Halt();
  void Reap();
  void Resume();
  static void OnMqtt(void *ctx, iotkit_mqtt_t *client, const iotkit_mqtt_event *event);
  void OnState(const iotkit_mqtt_event &event);
  void Push(Event event);

  // JS thread.
  void Deliver(Napi::Env env) override;
  void DeliverState(Napi::Env env);
  void DeliverEvent(Napi::Env env, const Event &event);
  void End(Napi::Env env);
  int RunOnLoop(void (Connection::*method)());
  void Abandon();

  Addon *const addon_;
  const std::shared_ptr<Mailbox> mailbox_;
  iotkit_loop_t *loop_ = nullptr;
  iotkit_mqtt_t *client_ = nullptr;
  iotkit_ota_t *ota_ = nullptr;
  iotkit_limiter_t *limiter_ = nullptr;
  bool halted_ = false; // I/O thread

  std::mutex mutex_; // of the following
  std::condition_variable reaped_changed_;
  bool reaped_ = false;
  bool state_changed_ = false;
  iotkit_mqtt_state state_ = IOTKIT_MQTT_IDLE;
  int error_ = 0; // the last one since it was told
  std::string detail_;
  uint32_t connects_ = 0;
  bool session_present_ = false;
  bool paused_ = false;
  std::deque<Event> events_;

  // JS thread.
  bool closing_ = false;
  bool ended_ = false;
  bool held_ = false;
  Napi::FunctionReference on_event_;
};

} // namespace iotkit

#endif
