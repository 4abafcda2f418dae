// client.h - a handle of IOT_MQTT_Construct.
#ifndef IOTKIT_NATIVE_PUBLISHED_CLIENT_H
#define IOTKIT_NATIVE_PUBLISHED_CLIENT_H

#include <iot_export.h>
#include <iotkit.h>

#include <atomic>
#include <string>
#include <vector>

#include "published/endpoint.h"
#include "runtime/option_table.h"

namespace iotkit::published {

// A handle that uses a client's and has to be closed before it.
class Dependent {
 public:
  virtual ~Dependent() = default;
  // JS thread: begins to close it.
  virtual void Drop() = 0;
  // Any thread but its own: returns when the C handle is closed.
  virtual void AwaitClosed() = 0;
};

// A `type` of onEvent besides IOTX_MQTT_EVENT_*: an upgrade was pushed to an OTA handle of this
// client.
constexpr int kEventPushed = -1;

// iotx_mqtt_param_t and the texts it points to.
struct ClientParams {
  bool given = false;   // false: NULL
  bool handler = false; // handle_event is wanted
  iotx_mqtt_param_t c = {};
  OptionTexts texts;
};

// Construct, Yield, Subscribe_Sync and Destroy run on its thread; the other functions on the JS
// thread, with handle(). onEvent(function, type, packetId, text, payload, qos, dup, retain) is
// called for every callback of C: `function` is the number lib/ gave the function to call, 0 for
// handle_event.
class Client final : public Endpoint {
 public:
  Client(Keeper *keeper, Napi::Function on_event);

  // NULL before it is constructed and once it is closed.
  void *handle() const { return closed_ ? nullptr : handle_.load(); }

  napi_value Construct(Napi::Env env, std::unique_ptr<ClientParams> params);
  napi_value Yield(Napi::Env env, int timeout_ms);
  napi_value SubscribeSync(Napi::Env env, const std::string *filter, int qos, uint32_t function,
                           int timeout_ms);
  // Closes its dependents first.
  napi_value Destroy(Napi::Env env);
  void Shutdown() override;
  void Drop() override;
  void Interrupt() override;

  // JS thread.
  void Attach(std::weak_ptr<Dependent> dependent);
  void Detach(const Dependent *dependent);
  // Any thread: an event for JavaScript.
  void PushEvent(uint32_t function, const iotx_mqtt_event_msg_t *msg);
  // For IOT_MQTT_Subscribe, whose pcontext is the number of the function.
  static void OnMessage(void *pcontext, void *pclient, iotx_mqtt_event_msg_pt msg);

 private:
  class Event;
  class ConstructCall;
  class YieldCall;
  class SubscribeCall;
  class DestroyCall;

  void CloseHandle() override;
  static void OnEvent(void *self, void *pclient, iotx_mqtt_event_msg_pt msg);
  static void OnMade(void *self, iotkit_mqtt_t *client);

  std::shared_ptr<Client> Self() { return std::static_pointer_cast<Client>(shared_from_this()); }

  std::atomic<void *> handle_{nullptr};

  std::mutex stop_mutex_; // of the next two
  iotkit_mqtt_t *client_ = nullptr;
  bool stopped_ = false;

  // JS thread.
  bool closed_ = false;
  std::vector<std::weak_ptr<Dependent>> dependents_;
  Napi::FunctionReference on_event_;
};

} // namespace iotkit::published

#endif
