// session.h - the published C API in one environment, and the handles of all environments.
#ifndef IOTKIT_NATIVE_SDK_SESSION_H
#define IOTKIT_NATIVE_SDK_SESSION_H

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>

#include "../mailbox.h"

namespace iotkit::sdk {

class Endpoint;

// JS thread only; belongs to the environment's Addon. Keeps every handle until it is closed.
class Session final {
 public:
  Session(Napi::Env env, std::shared_ptr<Mailbox> mailbox)
      : env_(env), mailbox_(std::move(mailbox)) {}
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  // Adds what lib/sdk calls to the addon's exports.
  static void Define(Napi::Env env, Napi::Object exports);

  Napi::Env env() const { return env_; }
  const std::shared_ptr<Mailbox> &mailbox() const { return mailbox_; }
  void KeepClient(std::shared_ptr<Endpoint> client) { Keep(&clients_, std::move(client)); }
  void KeepOta(std::shared_ptr<Endpoint> ota) { Keep(&otas_, std::move(ota)); }
  void Forget(Endpoint *endpoint);

  // The environment ends: told first, so that all waits overlap, then waited for.
  void Interrupt();
  void Shutdown();

 private:
  using Endpoints = std::unordered_map<Endpoint *, std::shared_ptr<Endpoint>>;

  static void Keep(Endpoints *endpoints, std::shared_ptr<Endpoint> endpoint);

  const Napi::Env env_;
  const std::shared_ptr<Mailbox> mailbox_;
  Endpoints clients_;
  Endpoints otas_;
};

// The open handles of the process: C calls back with its handle alone. Any thread.
class Handles final {
 public:
  static Handles &Get();

  void Add(void *handle, Endpoint *endpoint);
  // No effect when the handle's memory has become another endpoint's meanwhile.
  void Remove(void *handle, const Endpoint *endpoint);
  // Calls use(endpoint), unless there is none; it cannot go meanwhile.
  template <typename Use>
  void With(void *handle, Use use) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = endpoints_.find(handle);
    if (found != endpoints_.end()) use(found->second);
  }

  // Process exit: all threads are told to end.
  void StopAll();

 private:
  Handles() = default;

  std::mutex mutex_;
  // By C handle while it is open, and each also by its own address.
  std::unordered_map<void *, Endpoint *> endpoints_;
};

} // namespace iotkit::sdk

#endif
