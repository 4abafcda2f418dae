// device_listener.h - what a device reports to JavaScript.
#ifndef IOTKIT_NATIVE_DEVICE_DEVICE_LISTENER_H
#define IOTKIT_NATIVE_DEVICE_DEVICE_LISTENER_H

#include <napi.h>

#include <memory>
#include <string>

#include "device/connection.h"

namespace iotkit {

// JS thread only. Refers to the object that lib/ passes to openDevice, whose methods it calls; kMethods
// is the whole set. lib/addon/binding.ts has their types (DeviceListener).
class DeviceListener final : public ConnectionListener {
 public:
  // nullptr: a method is missing; *missing is its name.
  static std::unique_ptr<DeviceListener> Read(Napi::Value value, const char **missing);

 private:
  static const char *const kMethods[];

  explicit DeviceListener(Napi::Object object) : object_(Napi::Persistent(object)) {}
  void Call(const char *method, std::initializer_list<napi_value> args) const {
    Invoke(object_, method, args);
  }
  void CallRefused(Napi::Env env, const char *method, int error, const std::string &detail,
                   const std::string &request_id, uint32_t channel) const;
  void OnState(Napi::Env env, const ConnectionState &state) override;
  void OnPublished(Napi::Env env, int packet_id, int error, const std::string &detail) override;
  void OnSubscribed(Napi::Env env, int packet_id, int qos, int error,
                    const std::string &detail) override;
  void OnMessages(Napi::Env env, const MessageBatch &batch) override;
  void OnUpgrade(Napi::Env env, iotkit_job_t *job, uint32_t channel) override;
  void OnRefused(Napi::Env env, int error, const std::string &detail, const std::string &request_id,
                 uint32_t channel) override;
  void OnNothing(Napi::Env env, const std::string &request_id, uint32_t channel) override;
  void OnConfig(Napi::Env env, iotkit_job_t *job, uint32_t channel) override;
  void OnConfigRefused(Napi::Env env, int error, const std::string &detail,
                       const std::string &request_id, uint32_t channel) override;
  void OnConfigNothing(Napi::Env env, const std::string &request_id, uint32_t channel) override;
  void OnTime(Napi::Env env, const iotkit_time_reading &reading, const std::string &request_id,
              uint32_t channel) override;
  void OnTimeRefused(Napi::Env env, int error, const std::string &detail,
                     const std::string &request_id, uint32_t channel) override;
  void OnGatewayAnswer(Napi::Env env, const Event &answer) override;
  void OnSubDevice(Napi::Env env, const Event &event) override;
  void OnClosed(Napi::Env env) override;

  const Napi::ObjectReference object_;
};

} // namespace iotkit

#endif
