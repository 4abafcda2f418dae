#include "published/ota.h"

#include <cstdlib>
#include <cstring>

#include "published/client.h"
#include "published/handles.h"

namespace iotkit::published {

namespace {

struct Free {
  void operator()(char *memory) const { free(memory); }
};

} // namespace

class Ota::FetchCall final : public Call {
 public:
  FetchCall(Napi::Env env, std::shared_ptr<Ota> ota, Napi::Uint8Array buffer, uint32_t timeout_s)
      : Call(env, ota->keeper_->mailbox()), ota_(std::move(ota)), buffer_(Napi::Persistent(buffer)),
        length_(buffer.ByteLength()), timeout_s_(timeout_s) {}

  void Run() override {
    result_ = 0;
    if (ota_->closing_) return;
    uint32_t length = length_ < UINT32_MAX ? static_cast<uint32_t>(length_) : UINT32_MAX;
    memory_.reset(static_cast<char *>(malloc(length == 0 ? 1 : length)));
    result_ = memory_ == nullptr
                  ? static_cast<int>(IOT_OTAE_NOMEM)
                  : IOT_OTA_FetchYield(ota_->handle_, memory_.get(), length, timeout_s_);
    // Closing the handle ends the fetch without bytes, as in C, even if some had come.
    if (ota_->closing_ && result_ < 0) result_ = 0;
  }

 private:
  napi_value Result(Napi::Env env) override {
    if (result_ > 0) {
      Napi::Uint8Array buffer = buffer_.Value();
      auto received = static_cast<size_t>(result_);
      if (buffer.ByteLength() < received) return env.Undefined();
      memcpy(buffer.Data(), memory_.get(), received);
    }
    return Napi::Number::New(env, result_);
  }

  const std::shared_ptr<Ota> ota_;
  const Napi::Reference<Napi::Uint8Array> buffer_;
  const size_t length_;
  const uint32_t timeout_s_;
  std::unique_ptr<char, Free> memory_;
  int result_ = IOT_OTAE_GENERAL;
};

class Ota::DeinitCall final : public Call {
 public:
  DeinitCall(Napi::Env env, std::shared_ptr<Ota> ota)
      : Call(env, ota->keeper_->mailbox()), ota_(std::move(ota)) {}

  void Run() override { ota_->CloseHandle(); }

 private:
  napi_value Result(Napi::Env env) override {
    ota_->client_->Detach(ota_.get());
    ota_->End();
    return Napi::Number::New(env, ota_->result_);
  }

  const std::shared_ptr<Ota> ota_;
};

// ---- JS thread ----

Ota::Ota(Keeper *keeper, std::shared_ptr<Client> client)
    : Endpoint(keeper, "iotkit-sdk-ota"), client_(std::move(client)) {}

bool Ota::Init(const char *product_key, const char *device_name) {
  handle_ = IOT_OTA_Init(product_key, device_name, client_->handle());
  if (handle_ == nullptr) return false;
  Handles::Get().Add(handle_, this);
  client_->Attach(Self());
  return true;
}

napi_value Ota::FetchYield(Napi::Env env, Napi::Uint8Array buffer, uint32_t timeout_s) {
  return Start(std::make_unique<FetchCall>(env, Self(), buffer, timeout_s));
}

int Ota::SetOnPushedCallback(uint32_t function) {
  on_pushed_ = function;
  return IOT_OTA_SetOnPushedCallback(handle(), function == 0 ? nullptr : OnPushed);
}

napi_value Ota::Deinit(Napi::Env env) {
  closed_ = true;
  closing_ = true;
  auto call = std::make_unique<DeinitCall>(env, Self());
  if (has_thread()) {
    Interrupt();
    return Start(std::move(call));
  }
  napi_value promise = call->promise();
  call->Run(); // no fetch to wait for
  Push(std::move(call));
  return promise;
}

void Ota::Shutdown() {
  closed_ = true;
  Endpoint::Shutdown();
}

void Ota::Drop() {
  if (closed_) return;
  Napi::Env env = keeper_->env();
  Napi::HandleScope scope(env);
  Deinit(env);
}

// ---- any thread ----

void Ota::Interrupt() {
  closing_ = true;
  std::lock_guard<std::mutex> lock(handle_mutex_);
  char none = 0;
  if (handle_ == nullptr) return;
  IOT_OTA_Ioctl(handle_, IOT_OTAG_RESET_STATE, &none, sizeof(none));
  IOT_OTA_Ioctl(handle_, IOT_OTAG_RESET_STATE, &none, sizeof(none));
}

void Ota::CloseHandle() {
  void *handle;
  {
    std::lock_guard<std::mutex> lock(handle_mutex_);
    handle = handle_;
    handle_ = nullptr;
  }
  if (handle == nullptr) return;
  int result = IOT_OTA_Deinit(handle);
  Handles::Get().Remove(handle, this);
  std::lock_guard<std::mutex> lock(handle_mutex_);
  result_ = result;
  deinited_ = true;
  handle_closed_.notify_all();
}

void Ota::AwaitClosed() {
  std::unique_lock<std::mutex> lock(handle_mutex_);
  while (!handle_closed_.wait_for(lock, kInterruptAgain, [this] { return deinited_; })) {
    lock.unlock();
    Interrupt();
    lock.lock();
  }
}

int Ota::OnPushed(void *handle) {
  Handles::Get().With(handle, [](Endpoint *endpoint) {
    auto *ota = static_cast<Ota *>(endpoint);
    const iotx_mqtt_event_msg_t pushed = {static_cast<iotx_mqtt_event_type_t>(kEventPushed),
                                          nullptr};
    ota->client_->PushEvent(ota->on_pushed_, &pushed);
  });
  return 0;
}

} // namespace iotkit::published
