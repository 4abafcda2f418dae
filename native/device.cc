#include "device.h"

#include "addon.h"
#include "connection.h"
#include "fetch_options.h"
#include "tls_context.h"
#include "values.h"

namespace iotkit {

namespace {

// "" is absent, as for the C SDK.
std::string TextOf(Napi::Value value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

} // namespace

void Device::Define(Napi::Env env, Addon *addon) {
  addon->device = Napi::Persistent(
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
  Options given(info[0].As<Napi::Object>());
  std::string product_key = given.Text("productKey");
  std::string device_name = given.Text("deviceName");
  std::string device_secret = given.Text("deviceSecret");
  std::string client_id = given.Text("clientId");
  std::string host = given.Text("host");

  iotkit_sign_options sign = {};
  sign.product_key = product_key.c_str();
  sign.device_name = device_name.c_str();
  sign.device_secret = device_secret.c_str();
  sign.client_id = OrNull(client_id);
  sign.method = static_cast<iotkit_sign_method>(given.Number("signMethod"));
  sign.timestamp = static_cast<uint64_t>(given.Float("timestamp"));

  iotkit_mqtt_options mqtt = {};
  mqtt.host = host.c_str();
  mqtt.port = static_cast<uint16_t>(given.Number("port"));
  mqtt.persistent_session = !given.Flag("cleanSession");
  mqtt.keep_alive_s = static_cast<uint16_t>(given.Number("keepAliveS"));
  mqtt.connect_timeout_ms = given.Number("connectTimeoutMs");
  mqtt.reconnect_min_ms = given.Number("reconnectMinMs");
  mqtt.reconnect_max_ms = given.Number("reconnectMaxMs");
  FetchOptions fetch;
  if (!TlsContext::Read(given.Get("tls"), &mqtt.tls) || !fetch.Read(given.Get("fetch"))) {
    return Failure(env, IK_EINVALID_ARGUMENT, "tls, keys");
  }
  sign.tls = mqtt.tls != nullptr;

  char detail[IOTKIT_DETAIL_MAX] = "";
  auto connection = std::make_shared<Connection>(Addon::Of(env), info[1].As<Napi::Function>());
  int rc =
      connection->Open(sign, mqtt, &fetch, BytesPerSecond(given.Get("bytesPerSecond")), detail);
  Wipe(&device_secret);
  if (rc < 0) return Failure(env, rc, detail);

  Napi::Object object = Addon::Of(env)->device.New({});
  Device *device = object.IsEmpty() ? nullptr : Unwrap(object);
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
