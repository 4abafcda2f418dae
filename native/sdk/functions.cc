// functions.cc - the published functions as lib/sdk calls them: same order of arguments, null for
// NULL. lib/sdk checks types.
#include <iot_export.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "../addon.h"
#include "../values.h"
#include "client.h"
#include "ota.h"
#include "session.h"

namespace iotkit::sdk {

namespace {

using Info = Napi::CallbackInfo;

// A string argument, or NULL.
class Text final {
 public:
  explicit Text(Napi::Value value) {
    if (value.IsString()) text_ = value.As<Napi::String>().Utf8Value();
  }
  const char *c_str() const { return text_ ? text_->c_str() : nullptr; }
  const std::string *get() const { return text_ ? &*text_ : nullptr; }
  void Wipe() {
    if (text_) iotkit::Wipe(&*text_);
  }

 private:
  std::optional<std::string> text_;
};

Session *SessionOf(const Info &info) {
  return Addon::Of(info.Env())->published();
}

int Int(const Info &info, size_t at) {
  return info[at].As<Napi::Number>().Int32Value();
}

Napi::Value Return(const Info &info, int value) {
  return Napi::Number::New(info.Env(), value);
}

// ---- handles: an External that holds a reference ----

Napi::Value Wrap(Napi::Env env, std::shared_ptr<Endpoint> endpoint) {
  using Reference = std::shared_ptr<Endpoint>;
  return Napi::External<Reference>::New(env, new Reference(std::move(endpoint)),
                                        [](Napi::BasicEnv, Reference *reference) {
                                          (*reference)->Drop();
                                          delete reference;
                                        });
}

// NULL for null.
template <typename T>
T *EndpointOf(const Info &info, size_t at) {
  if (!info[at].IsExternal()) return nullptr;
  return static_cast<T *>(info[at].As<Napi::External<std::shared_ptr<Endpoint>>>().Data()->get());
}

void *Mqtt(const Info &info) {
  auto *client = EndpointOf<Client>(info, 0);
  return client == nullptr ? nullptr : client->handle();
}

void *OtaHandle(const Info &info) {
  auto *ota = EndpointOf<Ota>(info, 0);
  return ota == nullptr ? nullptr : ota->handle();
}

// The memory of an Uint8Array, or NULL. Valid while no JavaScript runs.
struct Bytes {
  explicit Bytes(Napi::Value value) {
    if (!value.IsTypedArray()) return;
    auto array = value.As<Napi::Uint8Array>();
    data = array.Data();
    length = array.ByteLength();
  }
  uint8_t *data = nullptr;
  size_t length = 0;
};

// ---- MQTT ----

Napi::Value MqttNew(const Info &info) {
  auto client = std::make_shared<Client>(SessionOf(info), info[0].As<Napi::Function>());
  SessionOf(info)->KeepClient(client);
  return Wrap(info.Env(), std::move(client));
}

std::unique_ptr<ClientParams> ReadParams(Napi::Value value) {
  auto params = std::make_unique<ClientParams>();
  if (!value.IsObject()) return params;
  Napi::Object object = value.As<Napi::Object>();
  Options given(object);
  auto text = [&](const char *key, std::string *storage) -> const char * {
    if (!given.Get(key).IsString()) return nullptr;
    *storage = given.Text(key);
    return storage->c_str();
  };
  params->given = true;
  params->handler = given.Flag("handler");
  params->c.port = static_cast<uint16_t>(given.Number("port"));
  params->c.host = text("host", &params->host);
  params->c.client_id = text("client_id", &params->client_id);
  params->c.username = text("username", &params->username);
  params->c.password = text("password", &params->password);
  params->c.pub_key = text("pub_key", &params->pub_key);
  params->c.clean_session = static_cast<uint8_t>(given.Number("clean_session"));
  params->c.request_timeout_ms = given.Number("request_timeout_ms");
  params->c.keepalive_interval_ms = given.Number("keepalive_interval_ms");
  params->c.write_buf_size = given.Number("write_buf_size");
  params->c.read_buf_size = given.Number("read_buf_size");
  return params;
}

Napi::Value MqttConstruct(const Info &info) {
  Napi::Env env = info.Env();
  return Napi::Value(env, EndpointOf<Client>(info, 0)->Construct(env, ReadParams(info[1])));
}

Napi::Value MqttDestroy(const Info &info) {
  Napi::Env env = info.Env();
  void *none = nullptr;
  if (Mqtt(info) == nullptr) return Return(info, IOT_MQTT_Destroy(&none));
  return Napi::Value(env, EndpointOf<Client>(info, 0)->Destroy(env));
}

Napi::Value MqttYield(const Info &info) {
  Napi::Env env = info.Env();
  int timeout_ms = Int(info, 1);
  if (Mqtt(info) == nullptr) return Return(info, IOT_MQTT_Yield(nullptr, timeout_ms));
  return Napi::Value(env, EndpointOf<Client>(info, 0)->Yield(env, timeout_ms));
}

Napi::Value MqttCheckStateNormal(const Info &info) {
  return Return(info, IOT_MQTT_CheckStateNormal(Mqtt(info)));
}

// (handle, filter, qos, function)
Napi::Value MqttSubscribe(const Info &info) {
  Text filter(info[1]);
  auto function = static_cast<uintptr_t>(Int(info, 3));
  return Return(info, IOT_MQTT_Subscribe(Mqtt(info), filter.c_str(),
                                         static_cast<iotx_mqtt_qos_t>(Int(info, 2)),
                                         function == 0 ? nullptr : Client::OnMessage,
                                         reinterpret_cast<void *>(function)));
}

// (handle, filter, qos, function, timeout_ms)
Napi::Value MqttSubscribeSync(const Info &info) {
  Napi::Env env = info.Env();
  if (Mqtt(info) == nullptr) return MqttSubscribe(info);
  Text filter(info[1]);
  return Napi::Value(
      env, EndpointOf<Client>(info, 0)->SubscribeSync(
               env, filter.get(), Int(info, 2), static_cast<uint32_t>(Int(info, 3)), Int(info, 4)));
}

Napi::Value MqttUnsubscribe(const Info &info) {
  Text filter(info[1]);
  return Return(info, IOT_MQTT_Unsubscribe(Mqtt(info), filter.c_str()));
}

// (handle, topic, message: boolean, payload, qos, retain)
Napi::Value MqttPublish(const Info &info) {
  Text topic(info[1]);
  Bytes payload(info[3]);
  iotx_mqtt_topic_info_t message = {};
  message.payload = reinterpret_cast<const char *>(payload.data);
  if (info[3].IsTypedArray() && payload.length == 0) message.payload = "";
  message.payload_len = static_cast<uint32_t>(payload.length);
  message.qos = static_cast<uint8_t>(Int(info, 4));
  message.retain = static_cast<uint8_t>(Int(info, 5));
  bool given = info[2].As<Napi::Boolean>().Value();
  return Return(info, IOT_MQTT_Publish(Mqtt(info), topic.c_str(), given ? &message : nullptr));
}

// (handle, topic, qos, data)
Napi::Value MqttPublishSimple(const Info &info) {
  Text topic(info[1]);
  Bytes data(info[3]);
  char none = 0;
  void *bytes = info[3].IsTypedArray() && data.length == 0 ? static_cast<void *>(&none) : data.data;
  return Return(info, IOT_MQTT_Publish_Simple(Mqtt(info), topic.c_str(), Int(info, 2), bytes,
                                              static_cast<int>(data.length)));
}

// ---- OTA ----

Napi::Value OtaInit(const Info &info) {
  Text product_key(info[0]);
  Text device_name(info[1]);
  auto *client = EndpointOf<Client>(info, 2);
  if (client == nullptr || client->handle() == nullptr) return info.Env().Null();
  auto ota = std::make_shared<Ota>(SessionOf(info),
                                   std::static_pointer_cast<Client>(client->shared_from_this()));
  if (!ota->Init(product_key.c_str(), device_name.c_str())) return info.Env().Null();
  SessionOf(info)->KeepOta(ota);
  return Wrap(info.Env(), std::move(ota));
}

Napi::Value OtaDeinit(const Info &info) {
  Napi::Env env = info.Env();
  if (OtaHandle(info) == nullptr) return Return(info, IOT_OTA_Deinit(nullptr));
  return Napi::Value(env, EndpointOf<Ota>(info, 0)->Deinit(env));
}

Napi::Value OtaReportVersion(const Info &info) {
  Text version(info[1]);
  return Return(info, IOT_OTA_ReportVersion(OtaHandle(info), version.c_str()));
}

Napi::Value OtaReportProgress(const Info &info) {
  Text text(info[2]);
  auto step = static_cast<IOT_OTA_Progress_t>(Int(info, 1));
  return Return(info, IOT_OTA_ReportProgress(OtaHandle(info), step, text.c_str()));
}

Napi::Value OtaIsFetching(const Info &info) {
  return Return(info, IOT_OTA_IsFetching(OtaHandle(info)));
}

Napi::Value OtaIsFetchFinish(const Info &info) {
  return Return(info, IOT_OTA_IsFetchFinish(OtaHandle(info)));
}

// (handle, buffer, timeout_s)
Napi::Value OtaFetchYield(const Info &info) {
  Napi::Env env = info.Env();
  Bytes buffer(info[1]);
  uint32_t timeout_s = info[2].As<Napi::Number>().Uint32Value();
  if (OtaHandle(info) == nullptr || buffer.length == 0)
    return Return(info, IOT_OTA_FetchYield(OtaHandle(info), nullptr, 0, timeout_s));
  return Napi::Value(
      env, EndpointOf<Ota>(info, 0)->FetchYield(env, info[1].As<Napi::Uint8Array>(), timeout_s));
}

bool IsNewText(int type) {
  return type == IOT_OTAG_COTA_CONFIG_ID || type == IOT_OTAG_COTA_SIGN ||
         type == IOT_OTAG_COTA_SIGN_METHOD || type == IOT_OTAG_COTA_URL ||
         type == IOT_OTAG_COTA_GETTYPE;
}

// Where C makes a new text, it is put into the buffer as the other texts are: a pointer is nothing
// for JavaScript.
int IoctlNewText(void *handle, IOT_OTA_CmdType_t type, Bytes buffer) {
  char *text = nullptr;
  int rc = IOT_OTA_Ioctl(handle, type, buffer.length == 0 ? nullptr : &text, sizeof(char *));
  if (rc != 0 || text == nullptr) return rc;
  size_t length = strlen(text);
  memset(buffer.data, 0, buffer.length);
  memcpy(buffer.data, text, length < buffer.length ? length : buffer.length - 1);
  free(text); // NOLINT(cppcoreguidelines-no-malloc): as the C SDK made it
  return rc;
}

// (handle, type, buffer)
Napi::Value OtaIoctl(const Info &info) {
  Bytes buffer(info[2]);
  int type = Int(info, 1);
  auto command = static_cast<IOT_OTA_CmdType_t>(type);
  if (IsNewText(type)) return Return(info, IoctlNewText(OtaHandle(info), command, buffer));
  return Return(info, IOT_OTA_Ioctl(OtaHandle(info), command, buffer.data, buffer.length));
}

Napi::Value OtaGetLastError(const Info &info) {
  return Return(info, IOT_OTA_GetLastError(OtaHandle(info)));
}

// (handle, function)
Napi::Value OtaSetOnPushedCallback(const Info &info) {
  if (OtaHandle(info) == nullptr)
    return Return(info, IOT_OTA_SetOnPushedCallback(nullptr, nullptr));
  auto function = static_cast<uint32_t>(Int(info, 1));
  return Return(info, EndpointOf<Ota>(info, 0)->SetOnPushedCallback(function));
}

Napi::Value OtaReqImage(const Info &info) {
  Text version(info[1]);
  return Return(info, iotx_req_image(OtaHandle(info), version.c_str()));
}

Napi::Value OtaGetConfig(const Info &info) {
  Text scope(info[1]);
  Text get_type(info[2]);
  Text attribute_keys(info[3]);
  return Return(info, iotx_ota_get_config(OtaHandle(info), scope.c_str(), get_type.c_str(),
                                          attribute_keys.c_str()));
}

// ---- connecting ----

// → [result, info | null]. Two environments must not set up one device at a time, and what C hands
// out is copied.
Napi::Value SetupConnInfo(const Info &info) {
  static std::mutex *const mutex = new std::mutex;
  Napi::Env env = info.Env();
  Text product_key(info[0]);
  Text device_name(info[1]);
  Text device_secret(info[2]);
  std::lock_guard<std::mutex> lock(*mutex);
  void *made = nullptr;
  int rc =
      IOT_SetupConnInfo(product_key.c_str(), device_name.c_str(), device_secret.c_str(), &made);
  device_secret.Wipe();
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, rc));
  result.Set(1u, env.Null());
  if (made == nullptr) return result;
  const auto *conn = static_cast<const iotx_conn_info_t *>(made);
  Napi::Object object = Napi::Object::New(env);
  object.Set("port", Napi::Number::New(env, conn->port));
  const std::pair<const char *, const char *> texts[] = {{"host_name", conn->host_name},
                                                         {"client_id", conn->client_id},
                                                         {"username", conn->username},
                                                         {"password", conn->password},
                                                         {"pub_key", conn->pub_key}};
  for (const auto &[key, text] : texts) {
    if (text == nullptr) {
      object.Set(key, env.Null());
    } else {
      object.Set(key, Napi::String::New(env, text));
    }
  }
  result.Set(1u, object);
  return result;
}

// (option, number | string | null) → [result, number]: what C wrote where the number stood
Napi::Value Ioctl(const Info &info) {
  Napi::Env env = info.Env();
  int number = info[1].IsNumber() ? Int(info, 1) : 0;
  Text text(info[1]);
  // The published type has no const; texts are only read.
  void *data = info[1].IsNumber() ? static_cast<void *>(&number) : const_cast<char *>(text.c_str());
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, IOT_Ioctl(Int(info, 0), data)));
  result.Set(1u, Napi::Number::New(env, number));
  return result;
}

Napi::Value SetLogLevel(const Info &info) {
  IOT_SetLogLevel(static_cast<IOT_LogLevel>(Int(info, 0)));
  return info.Env().Undefined();
}

Napi::Value DumpMemoryStats(const Info &info) {
  IOT_DumpMemoryStats(static_cast<IOT_LogLevel>(Int(info, 0)));
  return info.Env().Undefined();
}

struct Named {
  const char *name;
  Napi::Value (*function)(const Info &info);
};

constexpr Named kFunctions[] = {
    {"mqttNew", MqttNew},
    {"mqttConstruct", MqttConstruct},
    {"mqttDestroy", MqttDestroy},
    {"mqttYield", MqttYield},
    {"mqttCheckStateNormal", MqttCheckStateNormal},
    {"mqttSubscribe", MqttSubscribe},
    {"mqttSubscribeSync", MqttSubscribeSync},
    {"mqttUnsubscribe", MqttUnsubscribe},
    {"mqttPublish", MqttPublish},
    {"mqttPublishSimple", MqttPublishSimple},
    {"otaInit", OtaInit},
    {"otaDeinit", OtaDeinit},
    {"otaReportVersion", OtaReportVersion},
    {"otaReportProgress", OtaReportProgress},
    {"otaIsFetching", OtaIsFetching},
    {"otaIsFetchFinish", OtaIsFetchFinish},
    {"otaFetchYield", OtaFetchYield},
    {"otaIoctl", OtaIoctl},
    {"otaGetLastError", OtaGetLastError},
    {"otaSetOnPushedCallback", OtaSetOnPushedCallback},
    {"otaReqImage", OtaReqImage},
    {"otaGetConfig", OtaGetConfig},
    {"setupConnInfo", SetupConnInfo},
    {"ioctl", Ioctl},
    {"setLogLevel", SetLogLevel},
    {"dumpMemoryStats", DumpMemoryStats},
};

// One entry for all of them; which one is in the function's data.
Napi::Value CallNamed(const Info &info) {
  return static_cast<const Named *>(info.Data())->function(info);
}

} // namespace

void Session::Define(Napi::Env env, Napi::Object exports) {
  Napi::Object sdk = Napi::Object::New(env);
  for (const Named &named : kFunctions) {
    void *data = const_cast<Named *>(&named);
    sdk.Set(named.name, Napi::Function::New<CallNamed>(env, named.name, data));
  }
  exports.Set("sdk", sdk);
}

} // namespace iotkit::sdk
