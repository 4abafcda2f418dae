#include "device/device.h"

#include "device/channel_calls.h"
#include "device/connection.h"
#include "device/device_listener.h"
#include "device/device_options.h"
#include "runtime/environment.h"
#include "runtime/values.h"

namespace iotkit {

void Device::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<Device>(
      DefineClass(env, "Device",
                  {
                      InstanceMethod<&Device::ReportVersion>("reportVersion"),
                      InstanceMethod<&Device::ReportProgress>("reportProgress"),
                      InstanceMethod<&Device::Request>("request"),
                      InstanceMethod<&Device::RequestConfig>("requestConfig"),
                      InstanceMethod<&Device::AnswerConfig>("answerConfig"),
                      InstanceMethod<&Device::RequestTime>("requestTime"),
                      InstanceMethod<&Device::SetBandwidthLimit>("setBandwidthLimit"),
                      InstanceMethod<&Device::Close>("close"),
                      InstanceMethod<&Device::Ref>("ref"),
                      InstanceMethod<&Device::Unref>("unref"),
                  }));
}

Napi::Value Device::Open(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  DeviceOptions options;
  if (!options.Read(info[0])) return Failure(env, IK_EINVALID_ARGUMENT, "tls, keys");
  const char *missing = nullptr;
  auto listener = DeviceListener::Read(info[1], &missing);
  if (listener == nullptr) return Failure(env, IK_EINVALID_ARGUMENT, missing);

  char detail[IOTKIT_DETAIL_MAX] = "";
  auto connection = std::make_shared<Connection>(Environment::Of(env), std::move(listener));
  int rc = connection->Open(&options, detail);
  if (rc < 0) return Failure(env, rc, detail);

  Device *device = nullptr;
  Napi::Object object = Environment::Of(env)->New(&device);
  if (device == nullptr) {
    connection->Close();
  } else {
    device->connection_ = std::move(connection);
  }
  return object;
}

Napi::Value Device::ReportVersion(const Napi::CallbackInfo &info) {
  return iotkit::ReportVersion(info, connection_->channel());
}

Napi::Value Device::ReportProgress(const Napi::CallbackInfo &info) {
  return iotkit::ReportProgress(info, connection_->channel());
}

Napi::Value Device::Request(const Napi::CallbackInfo &info) {
  return RequestUpgrade(info, connection_->channel());
}

Napi::Value Device::RequestConfig(const Napi::CallbackInfo &info) {
  iotkit_config_t *config = nullptr;
  int rc = connection_->OpenConfig(&config);
  return iotkit::RequestConfig(info, rc, config);
}

Napi::Value Device::AnswerConfig(const Napi::CallbackInfo &info) {
  iotkit_config_t *config = nullptr;
  int rc = connection_->OpenConfig(&config);
  return iotkit::AnswerConfig(info, rc, config);
}

Napi::Value Device::RequestTime(const Napi::CallbackInfo &info) {
  iotkit_time_t *time = nullptr;
  int rc = connection_->OpenTime(&time);
  return iotkit::RequestTime(info, rc, time);
}

void Device::SetBandwidthLimit(const Napi::CallbackInfo &info) {
  connection_->SetBandwidthLimit(BytesPerSecond(info[0]));
}

void Device::Close(const Napi::CallbackInfo & /*info*/) {
  connection_->Close();
}

void Device::Ref(const Napi::CallbackInfo & /*info*/) {
  connection_->SetHeld(true);
}

void Device::Unref(const Napi::CallbackInfo & /*info*/) {
  connection_->SetHeld(false);
}

} // namespace iotkit
