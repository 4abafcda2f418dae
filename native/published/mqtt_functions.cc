#include "published/mqtt_functions.h"

#include <iot_export.h>

#include <iterator>

#include "published/client.h"
#include "runtime/option_table.h"

namespace iotkit::published {

namespace {

// NULL where null was given or the handle is closed. It never goes to C, where it could mean another
// environment's client: lib/sdk has chosen by now.
void *Mqtt(const Info &info) {
  auto *client = EndpointOf<Client>(info, 0);
  return client == nullptr ? nullptr : client->handle();
}

Napi::Value MqttNew(const Info &info) {
  auto client = std::make_shared<Client>(SessionOf(info), info[0].As<Napi::Function>());
  SessionOf(info)->KeepClient(client);
  return Wrap(info.Env(), std::move(client));
}

constexpr Option kParams[] = {
    IOTKIT_NUMBER(iotx_mqtt_param_t, port, port),
    IOTKIT_TEXT(iotx_mqtt_param_t, host, host, kTextNullIfNone),
    IOTKIT_TEXT(iotx_mqtt_param_t, client_id, client_id, kTextNullIfNone),
    IOTKIT_TEXT(iotx_mqtt_param_t, username, username, kTextNullIfNone),
    IOTKIT_TEXT(iotx_mqtt_param_t, password, password, kTextNullIfNone),
    IOTKIT_TEXT(iotx_mqtt_param_t, pub_key, pub_key, kTextNullIfNone),
    IOTKIT_NUMBER(iotx_mqtt_param_t, clean_session, clean_session),
    IOTKIT_NUMBER(iotx_mqtt_param_t, request_timeout_ms, request_timeout_ms),
    IOTKIT_NUMBER(iotx_mqtt_param_t, keepalive_interval_ms, keepalive_interval_ms),
    IOTKIT_NUMBER(iotx_mqtt_param_t, write_buf_size, write_buf_size),
    IOTKIT_NUMBER(iotx_mqtt_param_t, read_buf_size, read_buf_size),
};

std::unique_ptr<ClientParams> ReadParams(Napi::Value value) {
  auto params = std::make_unique<ClientParams>();
  if (!value.IsObject()) return params;
  JsOptions given(value.As<Napi::Object>());
  params->given = true;
  params->handler = given.Flag("handler");
  ReadOptions(given, kParams, &params->c, &params->texts);
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
  if (Mqtt(info) == nullptr) return Return(info, NULL_VALUE_ERROR);
  return Napi::Value(env, EndpointOf<Client>(info, 0)->Yield(env, timeout_ms));
}

Napi::Value MqttCheckStateNormal(const Info &info) {
  void *handle = Mqtt(info);
  return Return(info, handle == nullptr ? 0 : IOT_MQTT_CheckStateNormal(handle));
}

// (handle, filter, qos, function)
Napi::Value MqttSubscribe(const Info &info) {
  if (Mqtt(info) == nullptr) return Return(info, NULL_VALUE_ERROR);
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
  if (Mqtt(info) == nullptr) return Return(info, NULL_VALUE_ERROR);
  Text filter(info[1]);
  return Napi::Value(
      env, EndpointOf<Client>(info, 0)->SubscribeSync(
               env, filter.get(), Int(info, 2), static_cast<uint32_t>(Int(info, 3)), Int(info, 4)));
}

Napi::Value MqttUnsubscribe(const Info &info) {
  if (Mqtt(info) == nullptr) return Return(info, NULL_VALUE_ERROR);
  Text filter(info[1]);
  return Return(info, IOT_MQTT_Unsubscribe(Mqtt(info), filter.c_str()));
}

// (handle, topic, message: boolean, payload, qos, retain)
Napi::Value MqttPublish(const Info &info) {
  if (Mqtt(info) == nullptr) return Return(info, NULL_VALUE_ERROR);
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
  if (Mqtt(info) == nullptr) return Return(info, FAIL_RETURN);
  Text topic(info[1]);
  Bytes data(info[3]);
  char none = 0;
  void *bytes = info[3].IsTypedArray() && data.length == 0 ? static_cast<void *>(&none) : data.data;
  return Return(info, IOT_MQTT_Publish_Simple(Mqtt(info), topic.c_str(), Int(info, 2), bytes,
                                              static_cast<int>(data.length)));
}

constexpr NamedFunction kFunctions[] = {
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
};

} // namespace

FunctionTable MqttFunctions() {
  return {kFunctions, std::size(kFunctions)};
}

} // namespace iotkit::published
