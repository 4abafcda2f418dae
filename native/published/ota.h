// ota.h - a handle of IOT_OTA_Init.
#ifndef IOTKIT_NATIVE_PUBLISHED_OTA_H
#define IOTKIT_NATIVE_PUBLISHED_OTA_H

#include <iot_export.h>

#include <atomic>

#include "published/client.h"

namespace iotkit::published {

// FetchYield runs on its thread, and so does Deinit where there is one; the other functions on the
// JS thread, with handle(). Its client lives at least as long.
class Ota final : public Endpoint, public Dependent {
 public:
  Ota(Keeper *keeper, std::shared_ptr<Client> client);

  bool Init(const char *product_key, const char *device_name);
  // NULL once it is closed.
  void *handle() const { return closed_ ? nullptr : handle_; }

  // The bytes are received into memory of the call and copied into `buffer` on the JS thread: it
  // may be detached or resized meanwhile. Resolves to what C returns; to undefined when the bytes
  // no longer fit.
  napi_value FetchYield(Napi::Env env, Napi::Uint8Array buffer, uint32_t timeout_s);
  // `function`: the number lib/ gave the callback, 0: none.
  int SetOnPushedCallback(uint32_t function);
  napi_value Deinit(Napi::Env env);
  void Shutdown() override;
  void Drop() override;
  // Makes C forget the upgrade, so that a running fetch returns. An upgrade announced after it may
  // take its place and is forgotten too; only a third one could keep the fetch waiting, so Join
  // interrupts again.
  void Interrupt() override;
  // Any thread but its own: returns when the C handle is closed.
  void AwaitClosed() override;

 private:
  class FetchCall;
  class DeinitCall;

  void CloseHandle() override;
  static int OnPushed(void *handle);

  std::shared_ptr<Ota> Self() { return std::static_pointer_cast<Ota>(shared_from_this()); }

  const std::shared_ptr<Client> client_;
  std::atomic<uint32_t> on_pushed_{0};
  std::atomic<bool> closing_{false};

  // Of the following. The JS thread reads handle_ without it: until closed_, no other thread
  // changes it.
  std::mutex handle_mutex_;
  std::condition_variable handle_closed_;
  void *handle_ = nullptr;
  bool deinited_ = false;
  int result_ = IOT_OTAE_GENERAL; // of IOT_OTA_Deinit

  bool closed_ = false; // JS thread
};

} // namespace iotkit::published

#endif
