#include "device/gateway.h"

#include <utility>

#include "runtime/values.h"

namespace iotkit {

namespace {

constexpr Option kSubDeviceOptions[] = {
    IOTKIT_TEXT(iotkit_subdevice, productKey, product_key, kTextNeverNull),
    IOTKIT_TEXT(iotkit_subdevice, deviceName, device_name, kTextNeverNull),
    IOTKIT_TEXT(iotkit_subdevice, deviceSecret, device_secret, kText),
    IOTKIT_TEXT(iotkit_subdevice, clientId, client_id, kText),
    IOTKIT_NUMBER(iotkit_subdevice, signMethod, method),
    IOTKIT_NUMBER(iotkit_subdevice, keepSession, keep_session),
};

const char *OrEmpty(const char *text) {
  return text == nullptr ? "" : text;
}

} // namespace

SubDevices::SubDevices(Napi::Value value) {
  if (!value.IsArray()) return;
  Napi::Array given = value.As<Napi::Array>();
  list_.resize(given.Length());
  for (size_t i = 0; i < list_.size(); i++) {
    Napi::HandleScope scope(value.Env());
    Napi::Value device = given.Get(static_cast<uint32_t>(i));
    ReadOptions(JsOptions(device.As<Napi::Object>()), kSubDeviceOptions, &list_[i], &texts_);
  }
}

// What the answer to a request needs; whoever is called back frees it.
struct Gateway::Asked {
  EventSink *sink;
  uint32_t id;
};

// ---- JS thread ----

int Gateway::Open(iotkit_mqtt_t *client, const std::string &product_key,
                  const std::string &device_name) {
  if (gateway_ != nullptr) return 0;
  iotkit_gateway_options options = {};
  options.struct_size = sizeof(options);
  options.product_key = product_key.c_str();
  options.device_name = device_name.c_str();
  options.on_event = OnEvent;
  options.ctx = this;
  return iotkit_gateway_new(client, &options, &gateway_, nullptr);
}

int Gateway::Ask(GatewayRequest what, const SubDevices &devices, uint32_t *id) {
  *id = ++last_id_;
  auto asked = std::make_unique<Asked>(Asked{sink_, *id});
  int rc = Send(what, devices, asked.get());
  if (rc == 0) static_cast<void>(asked.release()); // OnAnswer's now
  return rc;
}

int Gateway::Send(GatewayRequest what, const SubDevices &devices, Asked *asked) {
  const iotkit_subdevice *list = devices.data();
  switch (what) {
  case GatewayRequest::kAdd:
    return iotkit_gateway_add(gateway_, list, devices.size(), OnAnswer, asked, nullptr);
  case GatewayRequest::kDelete:
    return iotkit_gateway_delete(gateway_, list, devices.size(), OnAnswer, asked, nullptr);
  case GatewayRequest::kFound:
    return iotkit_gateway_found(gateway_, list, devices.size(), OnAnswer, asked, nullptr);
  case GatewayRequest::kRegister:
    return iotkit_gateway_register(gateway_, list, devices.size(), OnAnswer, asked, nullptr);
  case GatewayRequest::kGet:
    return iotkit_gateway_get(gateway_, OnAnswer, asked);
  }
  return IK_EINVALID_ARGUMENT;
}

int Gateway::Login(const SubDevices &devices) {
  return iotkit_gateway_login(gateway_, devices.data(), devices.size(), nullptr);
}

int Gateway::Logout(const SubDevices &devices) {
  return iotkit_gateway_logout(gateway_, devices.data(), devices.size());
}

int Gateway::OpenChannel(uint32_t id, const std::string &product_key,
                         const std::string &device_name, const iotkit_fetch_options &fetch) {
  auto channel = std::make_unique<Channel>(sink_, id);
  iotkit_ota_options options = channel->Options(product_key.c_str(), device_name.c_str(), fetch);
  iotkit_ota_t *ota = nullptr;
  int rc = iotkit_gateway_ota_new(gateway_, &options, &ota, nullptr);
  if (rc < 0) return rc;
  channel->Set(ota);
  channels_[id] = std::move(channel);
  return 0;
}

void Gateway::CloseChannel(uint32_t id) {
  auto found = channels_.find(id);
  if (found == channels_.end()) return;
  found->second->Free();
  channels_.erase(found);
}

Channel *Gateway::channel(uint32_t id) const {
  auto found = channels_.find(id);
  return found == channels_.end() ? nullptr : found->second.get();
}

// ---- I/O thread ----

// Its requests that wait are answered with IK_ECLOSED in here.
void Gateway::Free() {
  for (const auto &[id, channel] : channels_)
    channel->Free();
  channels_.clear();
  iotkit_gateway_free(gateway_);
  gateway_ = nullptr;
}

void Gateway::OnAnswer(void *ctx, iotkit_gateway_t * /*gateway*/,
                       const iotkit_gateway_answer *answer) {
  std::unique_ptr<Asked> asked(static_cast<Asked *>(ctx));
  Event event(Event::Kind::kGatewayAnswer, answer->error);
  event.request_id = std::to_string(asked->id);
  event.code = answer->code;
  event.detail = answer->message;
  event.names.reserve(4 * answer->count);
  for (size_t i = 0; i < answer->count; i++) {
    const iotkit_subdevice_name &device = answer->devices[i];
    for (const char *text :
         {device.product_key, device.device_name, device.device_secret, device.iot_id})
      event.names.emplace_back(OrEmpty(text));
  }
  asked->sink->PushEvent(std::move(event));
}

void Gateway::OnEvent(void *ctx, iotkit_gateway_t * /*gateway*/,
                      const iotkit_gateway_event *given) {
  Event event(Event::Kind::kSubDevice, given->error);
  event.packet_id = given->type;
  // A permit has no code, but a time.
  event.code = given->type == IOTKIT_GATEWAY_PERMIT ? given->timeout_s : given->code;
  event.detail = given->message;
  event.names = {given->product_key, given->device_name};
  static_cast<Gateway *>(ctx)->sink_->PushEvent(std::move(event));
}

} // namespace iotkit
