#include "device/device.h"

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
  iotkit_ota_t *ota = connection_->channel();
  std::string version = TextOf(info[0]);
  std::string module = TextOf(info[1]);
  int rc = ota == nullptr ? static_cast<int>(IK_ECLOSED)
                          : iotkit_ota_report_version(ota, version.c_str(), OrNull(module));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value Device::ReportProgress(const Napi::CallbackInfo &info) {
  iotkit_ota_t *ota = connection_->channel();
  int step = info[0].As<Napi::Number>().Int32Value();
  std::string desc = TextOf(info[1]);
  std::string module = TextOf(info[2]);
  int rc = ota == nullptr ? static_cast<int>(IK_ECLOSED)
                          : iotkit_ota_report_progress(ota, step, OrNull(desc), OrNull(module));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value Device::Request(const Napi::CallbackInfo &info) {
  iotkit_ota_t *ota = connection_->channel();
  std::string module = TextOf(info[0]);
  char id[16] = "";
  int rc =
      ota == nullptr ? static_cast<int>(IK_ECLOSED) : iotkit_ota_request(ota, OrNull(module), id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
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
