#include "published/client.h"

#include <iotkit_iot.h>

#include <algorithm>
#include <cstring>

#include "published/handles.h"

namespace iotkit::published {

// A copy of a callback's arguments. Types whose `msg` is a packet id have no text.
class Client::Event final : public Item {
 public:
  Event(std::shared_ptr<Client> client, uint32_t function, const iotx_mqtt_event_msg_t &msg)
      : client_(std::move(client)), function_(function), type_(msg.event_type) {
    switch (static_cast<int>(msg.event_type)) {
    case IOTX_MQTT_EVENT_PUBLISH_RECEIVED:
      Copy(*static_cast<const iotx_mqtt_topic_info_t *>(msg.msg));
      break;
    case IOTX_MQTT_EVENT_UNDEF:
    case IOTX_MQTT_EVENT_DISCONNECT:
    case IOTX_MQTT_EVENT_RECONNECT:
    case IOTX_MQTT_EVENT_BUFFER_OVERFLOW:
      if (msg.msg != nullptr) text_ = static_cast<const char *>(msg.msg);
      break;
    case kEventPushed:
      break;
    default:
      info_.packet_id = static_cast<uint16_t>(reinterpret_cast<uintptr_t>(msg.msg));
    }
  }

  void Deliver(Napi::Env env) override {
    napi_value payload = env.Undefined();
    if (type_ == IOTX_MQTT_EVENT_PUBLISH_RECEIVED)
      payload = Napi::Buffer<char>::Copy(env, payload_.data(), payload_.size());
    auto number = [env](double value) { return Napi::Number::New(env, value); };
    Invoke(client_->on_event_, {number(function_), number(type_), number(info_.packet_id),
                                Napi::String::New(env, text_), payload, number(info_.qos),
                                number(info_.dup), number(info_.retain)});
  }

 private:
  void Copy(const iotx_mqtt_topic_info_t &info) {
    info_ = info;
    text_.assign(info.ptopic, info.topic_len);
    payload_.assign(info.payload, info.payload_len);
  }

  const std::shared_ptr<Client> client_;
  const uint32_t function_;
  const int type_;
  iotx_mqtt_topic_info_t info_ = {};
  std::string text_;
  std::string payload_;
};

// ---- calls ----

class Client::ConstructCall final : public Call {
 public:
  ConstructCall(Napi::Env env, std::shared_ptr<Client> client, std::unique_ptr<ClientParams> params)
      : Call(env, client->keeper_->mailbox()), client_(std::move(client)),
        params_(std::move(params)) {}

  void Run() override {
    void *handle =
        iotkit_mqtt_construct(params_->given ? &params_->c : nullptr, OnMade, client_.get());
    params_.reset();
    if (handle == nullptr) return;
    Handles::Get().Add(handle, client_.get());
    client_->handle_ = handle;
  }

 private:
  napi_value Result(Napi::Env env) override {
    bool made = client_->handle_ != nullptr;
    // A client that was not made is of no use and ends here.
    if (!made && !client_->closed_) {
      client_->closed_ = true;
      client_->on_event_.Reset();
      client_->End();
    }
    return Napi::Boolean::New(env, made);
  }

  const std::shared_ptr<Client> client_;
  std::unique_ptr<ClientParams> params_;
};

class Client::YieldCall final : public Call {
 public:
  YieldCall(Napi::Env env, std::shared_ptr<Client> client, int timeout_ms)
      : Call(env, client->keeper_->mailbox()), client_(std::move(client)), timeout_ms_(timeout_ms) {
  }

  void Run() override { result_ = IOT_MQTT_Yield(client_->handle_, timeout_ms_); }

 private:
  napi_value Result(Napi::Env env) override { return Napi::Number::New(env, result_); }

  const std::shared_ptr<Client> client_;
  const int timeout_ms_;
  int result_ = FAIL_RETURN;
};

class Client::SubscribeCall final : public Call {
 public:
  SubscribeCall(Napi::Env env, std::shared_ptr<Client> client, const std::string *filter, int qos,
                uint32_t function, int timeout_ms)
      : Call(env, client->keeper_->mailbox()), client_(std::move(client)),
        has_filter_(filter != nullptr), filter_(has_filter_ ? *filter : ""), qos_(qos),
        function_(function), timeout_ms_(timeout_ms) {}

  void Run() override {
    result_ = IOT_MQTT_Subscribe_Sync(
        client_->handle_, has_filter_ ? filter_.c_str() : nullptr,
        static_cast<iotx_mqtt_qos_t>(qos_), function_ == 0 ? nullptr : OnMessage,
        reinterpret_cast<void *>(static_cast<uintptr_t>(function_)), timeout_ms_);
  }

 private:
  napi_value Result(Napi::Env env) override { return Napi::Number::New(env, result_); }

  const std::shared_ptr<Client> client_;
  const bool has_filter_;
  const std::string filter_;
  const int qos_;
  const uint32_t function_;
  const int timeout_ms_;
  int result_ = FAIL_RETURN;
};

class Client::DestroyCall final : public Call {
 public:
  DestroyCall(Napi::Env env, std::shared_ptr<Client> client,
              std::vector<std::shared_ptr<Dependent>> dependents)
      : Call(env, client->keeper_->mailbox()), client_(std::move(client)),
        dependents_(std::move(dependents)) {}

  void Run() override {
    for (const auto &dependent : dependents_)
      dependent->AwaitClosed();
    client_->CloseHandle();
    result_ = SUCCESS_RETURN;
  }

 private:
  napi_value Result(Napi::Env env) override {
    client_->on_event_.Reset();
    client_->End();
    return Napi::Number::New(env, result_);
  }

  const std::shared_ptr<Client> client_;
  std::vector<std::shared_ptr<Dependent>> dependents_;
  int result_ = FAIL_RETURN;
};

// ---- JS thread ----

Client::Client(Keeper *keeper, Napi::Function on_event)
    : Endpoint(keeper, "iotkit-sdk"), on_event_(Napi::Persistent(on_event)) {}

napi_value Client::Construct(Napi::Env env, std::unique_ptr<ClientParams> params) {
  if (params->handler) params->c.handle_event = {OnEvent, this};
  return Start(std::make_unique<ConstructCall>(env, Self(), std::move(params)));
}

napi_value Client::Yield(Napi::Env env, int timeout_ms) {
  return Start(std::make_unique<YieldCall>(env, Self(), timeout_ms));
}

napi_value Client::SubscribeSync(Napi::Env env, const std::string *filter, int qos,
                                 uint32_t function, int timeout_ms) {
  return Start(std::make_unique<SubscribeCall>(env, Self(), filter, qos, function, timeout_ms));
}

napi_value Client::Destroy(Napi::Env env) {
  closed_ = true;
  std::vector<std::shared_ptr<Dependent>> dependents;
  for (const auto &dependent : dependents_)
    if (auto open = dependent.lock()) dependents.push_back(std::move(open));
  for (const auto &dependent : dependents)
    dependent->Drop();
  Interrupt();
  return Start(std::make_unique<DestroyCall>(env, Self(), std::move(dependents)));
}

void Client::Shutdown() {
  closed_ = true;
  Endpoint::Shutdown();
  on_event_.Reset();
}

void Client::Drop() {
  if (closed_) return;
  Napi::Env env = keeper_->env();
  Napi::HandleScope scope(env);
  Destroy(env);
}

void Client::Attach(std::weak_ptr<Dependent> dependent) {
  dependents_.push_back(std::move(dependent));
}

void Client::Detach(const Dependent *dependent) {
  auto is_it = [dependent](const auto &other) { return other.lock().get() == dependent; };
  dependents_.erase(std::remove_if(dependents_.begin(), dependents_.end(), is_it),
                    dependents_.end());
}

// ---- any thread ----

void Client::Interrupt() {
  std::lock_guard<std::mutex> lock(stop_mutex_);
  stopped_ = true;
  if (client_ != nullptr) iotkit_mqtt_stop(client_);
}

void Client::OnMade(void *self, iotkit_mqtt_t *client) {
  auto *made = static_cast<Client *>(self);
  std::lock_guard<std::mutex> lock(made->stop_mutex_);
  made->client_ = client;
  if (made->stopped_ && client != nullptr) iotkit_mqtt_stop(client);
}

void Client::CloseHandle() {
  OnMade(this, nullptr);
  void *handle = handle_.exchange(nullptr);
  if (handle == nullptr) return;
  void *destroyed = handle;
  IOT_MQTT_Destroy(&destroyed);
  Handles::Get().Remove(handle, this);
}

void Client::PushEvent(uint32_t function, const iotx_mqtt_event_msg_t *msg) {
  Push(std::make_unique<Event>(Self(), function, *msg));
}

void Client::OnEvent(void *self, void * /*pclient*/, iotx_mqtt_event_msg_pt msg) {
  static_cast<Client *>(self)->PushEvent(0, msg);
}

void Client::OnMessage(void *pcontext, void *pclient, iotx_mqtt_event_msg_pt msg) {
  auto function = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pcontext));
  Handles::Get().With(pclient, [&](Endpoint *endpoint) {
    static_cast<Client *>(endpoint)->PushEvent(function, msg);
  });
}

} // namespace iotkit::published
