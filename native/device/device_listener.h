// device_listener.h - what a device reports to JavaScript.
#ifndef IOTKIT_NATIVE_DEVICE_DEVICE_LISTENER_H
#define IOTKIT_NATIVE_DEVICE_DEVICE_LISTENER_H

#include <napi.h>

#include <memory>
#include <string>

#include "device/connection.h"

namespace iotkit {

// JS thread only. Refers to the functions of the object that lib/ passes to openDevice, found by
// name once; kFunctions is the whole set. lib/addon/binding.ts has their types (DeviceListener).
class DeviceListener final : public ConnectionListener {
 public:
  // nullptr: a function is missing; *missing is its name.
  static std::unique_ptr<DeviceListener> Read(Napi::Value value, const char **missing);

 private:
  struct Function {
    const char *name;
    Napi::FunctionReference DeviceListener::*reference;
  };
  static const Function kFunctions[];

  DeviceListener() = default;
  void OnState(Napi::Env env, const ConnectionState &state) override;
  void OnPublished(Napi::Env env, int packet_id, int error, const std::string &detail) override;
  void OnSubscribed(Napi::Env env, int packet_id, int qos, int error,
                    const std::string &detail) override;
  void OnMessages(Napi::Env env, const MessageBatch &batch) override;
  void OnUpgrade(Napi::Env env, iotkit_job_t *job) override;
  void OnRefused(Napi::Env env, int error, const std::string &detail,
                 const std::string &request_id) override;
  void OnNothing(Napi::Env env, const std::string &request_id) override;
  void OnConfig(Napi::Env env, iotkit_job_t *job) override;
  void OnConfigRefused(Napi::Env env, int error, const std::string &detail,
                       const std::string &request_id) override;
  void OnConfigNothing(Napi::Env env, const std::string &request_id) override;
  void OnTime(Napi::Env env, const iotkit_time_reading &reading,
              const std::string &request_id) override;
  void OnTimeRefused(Napi::Env env, int error, const std::string &detail,
                     const std::string &request_id) override;
  void OnClosed(Napi::Env env) override;

  Napi::FunctionReference on_state_;
  Napi::FunctionReference on_published_;
  Napi::FunctionReference on_subscribed_;
  Napi::FunctionReference on_messages_;
  Napi::FunctionReference on_upgrade_;
  Napi::FunctionReference on_refused_;
  Napi::FunctionReference on_nothing_;
  Napi::FunctionReference on_config_;
  Napi::FunctionReference on_config_refused_;
  Napi::FunctionReference on_config_nothing_;
  Napi::FunctionReference on_time_;
  Napi::FunctionReference on_time_refused_;
  Napi::FunctionReference on_closed_;
};

} // namespace iotkit

#endif
