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
};

constexpr Option kMqttOptions[] = {
    IOTKIT_TEXT(iotkit_mqtt_options, host, host, kTextNeverNull),
    IOTKIT_NUMBER(iotkit_mqtt_options, port, port),
    IOTKIT_NUMBER(iotkit_mqtt_options, keepAliveS, keep_alive_s),
    IOTKIT_NUMBER(iotkit_mqtt_options, connectTimeoutMs, connect_timeout_ms),
    IOTKIT_NUMBER(iotkit_mqtt_options, reconnectMinMs, reconnect_min_ms),
    IOTKIT_NUMBER(iotkit_mqtt_options, reconnectMaxMs, reconnect_max_ms),
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
  return true;
}

} // namespace iotkit
