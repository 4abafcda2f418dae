// client.h - a handle of IOT_MQTT_Construct.
#ifndef IOTKIT_NATIVE_SDK_CLIENT_H
#define IOTKIT_NATIVE_SDK_CLIENT_H

#include <iot_export.h>
#include <iotkit.h>

#include <atomic>
#include <string>
#include <vector>

#include "endpoint.h"

namespace iotkit::sdk {

class Ota;

// What onEvent is told as `type` besides IOTX_MQTT_EVENT_*: an upgrade was pushed to an OTA handle
// of this client.
constexpr int kEventPushed = -1;

// The texts of iotx_mqtt_param_t, and the struct that points into them.
struct ClientParams {
  ClientParams() = default;
  ClientParams(const ClientParams &) = delete;
  ClientParams &operator=(const ClientParams &) = delete;

  bool given = false;   // false: NULL
  bool handler = false; // handle_event is wanted
  std::string host, client_id, username, password, pub_key;
  iotx_mqtt_param_t c = {};
};

// Construct, Yield, Subscribe_Sync and Destroy run on its thread; the other functions on the JS
// thread, with handle(). onEvent(function, type, packetId, text, payload, qos, dup, retain) is told
// all callbacks: `function` is the number lib/ gave the function to call, 0 for handle_event.
class Client final : public Endpoint {
 public:
  Client(Session *session, Napi::Function on_event);

  // NULL before it is constructed and once it is closed.
  void *handle() const { return closed_ ? nullptr : handle_.load(); }

  napi_value Construct(Napi::Env env, std::unique_ptr<ClientParams> params);
  napi_value Yield(Napi::Env env, int timeout_ms);
  napi_value SubscribeSync(Napi::Env env, const std::string *filter, int qos, uint32_t function,
                           int timeout_ms);
  // Deinits its OTA handles first.
  napi_value Destroy(Napi::Env env);
  void Shutdown() override;
  void Drop() override;
  void Interrupt() override;

  // JS thread.
  void Attach(Ota *ota) { otas_.push_back(ota); }
  void Detach(const Ota *ota);
  // Any thread: an event for JavaScript.
  void Tell(uint32_t function, const iotx_mqtt_event_msg_t *msg);
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
  std::vector<Ota *> otas_;
  Napi::FunctionReference on_event_;
};

} // namespace iotkit::sdk

#endif
