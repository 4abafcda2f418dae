// addon.h - the state of one environment.
#ifndef IOTKIT_NATIVE_ADDON_H
#define IOTKIT_NATIVE_ADDON_H

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "mailbox.h"
#include "sdk/session.h"

namespace iotkit {

class Connection;
class Transfer;

// One per load of the addon, JS thread only: the main thread, each worker and each Jest realm that
// loads it has its own. It keeps every connection and transfer of its environment until their
// threads have let go of them, and at the environment's end stops them in this order: mailbox
// closed, transfers aborted and joined, connections closed on the I/O thread and waited for.
class Addon final {
 public:
  explicit Addon(Napi::Env env);
  ~Addon();
  Addon(const Addon &) = delete;
  Addon &operator=(const Addon &) = delete;

  bool Open(Napi::Env env);
  static Addon *Of(Napi::Env env) { return env.GetInstanceData<Addon>(); }

  const std::shared_ptr<Mailbox> &mailbox() const { return mailbox_; }
  // The published C API, one to one.
  sdk::Session *published() { return &published_; }
  void Keep(std::shared_ptr<Transfer> transfer);
  void Forget(const Transfer *transfer);
  void Keep(std::shared_ptr<Connection> connection);
  void Forget(const Connection *connection);

  // Constructors of the wrapped objects.
  Napi::FunctionReference tls_context;
  Napi::FunctionReference public_keys;
  Napi::FunctionReference device;
  Napi::FunctionReference job;
  Napi::FunctionReference file_download;
  Napi::FunctionReference chunk_download;

 private:
  static void OnEnvironmentEnd(void *self);
  void Shutdown();

  napi_env env_;
  bool ended_ = false;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  sdk::Session published_{env_, mailbox_};
  std::unordered_map<const Transfer *, std::shared_ptr<Transfer>> transfers_;
  std::unordered_map<const Connection *, std::shared_ptr<Connection>> connections_;
};

} // namespace iotkit

#endif
