#include "device/device_options.h"

#include "trust/tls_context.h"

namespace iotkit {

namespace {

constexpr Option kSignOptions[] = {
    IOTKIT_TEXT(iotkit_sign_options, productKey, product_key, kTextNeverNull),
    IOTKIT_TEXT(iotkit_sign_options, deviceName, device_name, kTextNeverNull),
    IOTKIT_TEXT(iotkit_sign_options, deviceSecret, device_secret, kText),
    IOTKIT_TEXT(iotkit_sign_options, deviceToken, device_token, kText),
    IOTKIT_NUMBER(iotkit_sign_options, x509, x509),
    IOTKIT_TEXT(iotkit_sign_options, clientId, client_id, kText),
    IOTKIT_NUMBER(iotkit_sign_options, signMethod, method),
    IOTKIT_NUMBER(iotkit_sign_options, timestamp, timestamp),
    IOTKIT_NUMBER(iotkit_sign_options, ext, ext),
};

constexpr Option kMqttOptions[] = {
    IOTKIT_TEXT(iotkit_mqtt_options, host, host, kTextNeverNull),
    IOTKIT_NUMBER(iotkit_mqtt_options, port, port),
    IOTKIT_NUMBER(iotkit_mqtt_options, keepAliveS, keep_alive_s),
    IOTKIT_NUMBER(iotkit_mqtt_options, connectTimeoutMs, connect_timeout_ms),
    IOTKIT_NUMBER(iotkit_mqtt_options, reconnectMinMs, reconnect_min_ms),
    IOTKIT_NUMBER(iotkit_mqtt_options, reconnectMaxMs, reconnect_max_ms),
    IOTKIT_NUMBER(iotkit_mqtt_options, connectsPerMinute, max_connects_per_minute),
    IOTKIT_TEXT(iotkit_mqtt_options, willTopic, will_topic, kText),
    IOTKIT_NUMBER(iotkit_mqtt_options, willQos, will_qos),
    IOTKIT_NUMBER(iotkit_mqtt_options, willRetain, will_retain),
};

} // namespace

bool DeviceOptions::Read(Napi::Value value) {
  JsOptions given(value.As<Napi::Object>());
  if (!TlsContext::Read(given.Get("tls"), &mqtt.tls) || !fetch.Read(given.Get("fetch")))
    return false;
  ReadOptions(given, kSignOptions, &sign, &texts_);
  ReadOptions(given, kMqttOptions, &mqtt, &texts_);
  sign.tls = mqtt.tls != nullptr;
  mqtt.persistent_session = !given.Flag("cleanSession");
  bytes_per_second = BytesPerSecond(given.Get("bytesPerSecond"));
  ReadWill(given);
  return true;
}

void DeviceOptions::ReadWill(const JsOptions &given) {
  Napi::Value payload = given.Get("willPayload");
  if (mqtt.will_topic == nullptr || !payload.IsTypedArray()) return;
  Napi::Uint8Array bytes = payload.As<Napi::Uint8Array>();
  will_payload_.assign(reinterpret_cast<const char *>(bytes.Data()), bytes.ByteLength());
  mqtt.will_payload = will_payload_.data();
  mqtt.will_payload_len = will_payload_.size();
}

} // namespace iotkit
