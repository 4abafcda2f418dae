// session.h - the published C API in one environment.
//
// Room published/, floor 2: the face of lib/sdk, IOT_MQTT_* and IOT_OTA_* one to one. Includes
// runtime/, the public headers and napi.h; never trust/, download/ or device/.
//   functions < {mqtt,ota,setup}_functions < arguments   what lib/sdk calls
//   client, ota   a handle of IOT_MQTT_* or IOT_OTA_*
//   endpoint      a handle and its thread
//   session       the endpoints of an environment
//   handles       which endpoint a C handle belongs to
#ifndef IOTKIT_NATIVE_PUBLISHED_SESSION_H
#define IOTKIT_NATIVE_PUBLISHED_SESSION_H

#include <napi.h>

#include <map>
#include <memory>

#include "published/endpoint.h"
#include "runtime/closing.h"

namespace iotkit::published {

// JS thread only; a part of its Environment. Keeps every endpoint until it is closed.
class Session final : public Closing, public Keeper {
 public:
  Session(Napi::Env env, std::shared_ptr<Mailbox> mailbox)
      : Closing(EndRank::kPublished), env_(env), mailbox_(std::move(mailbox)) {}

  Napi::Env env() const override { return env_; }
  const std::shared_ptr<Mailbox> &mailbox() const override { return mailbox_; }
  void KeepClient(std::shared_ptr<Endpoint> client) { Keep(&clients_, std::move(client)); }
  void KeepOta(std::shared_ptr<Endpoint> ota) { Keep(&otas_, std::move(ota)); }
  void Forget(Endpoint *endpoint) override;

  void Interrupt() override;
  void AwaitEnd() override;

 private:
  using Endpoints = std::map<Endpoint *, std::shared_ptr<Endpoint>>;

  static void Keep(Endpoints *endpoints, std::shared_ptr<Endpoint> endpoint);

  const Napi::Env env_;
  const std::shared_ptr<Mailbox> mailbox_;
  Endpoints clients_;
  Endpoints otas_;
};

} // namespace iotkit::published

#endif
