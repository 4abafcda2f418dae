#include "device/device.h"

#include "device/channel_calls.h"
#include "device/connection.h"
#include "device/device_listener.h"
#include "device/device_options.h"
#include "runtime/environment.h"
#include "runtime/values.h"

namespace iotkit {

namespace {

// What is published: a string as UTF-8, or the bytes of a Uint8Array, which are not copied.
class Payload final {
 public:
  explicit Payload(Napi::Value value) {
    void *bytes;
    if (napi_get_typedarray_info(value.Env(), value, nullptr, &length_, &bytes, nullptr, nullptr) ==
        napi_ok) {
      data_ = bytes;
    } else {
      text_ = TextOf(value);
      data_ = text_.data();
      length_ = text_.size();
    }
  }
  Payload(const Payload &) = delete;
  Payload &operator=(const Payload &) = delete;

  // NULL where there is nothing in it.
  const void *data() const { return length_ == 0 ? nullptr : data_; }
  size_t length() const { return length_; }

 private:
  std::string text_;
  const void *data_;
  size_t length_;
};

// 0 for what is no number.
uint32_t NumberOf(Napi::Value value) {
  return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
}

// The topic of a message, as nearly all are without memory of its own.
class Topic final {
 public:
  explicit Topic(Napi::Value value) {
    size_t length = 0;
    napi_get_value_string_utf8(value.Env(), value, short_, sizeof(short_), &length);
    // A character that has no room is left out whole.
    if (length + kLongestCharacter >= sizeof(short_)) long_ = TextOf(value);
  }
  Topic(const Topic &) = delete;
  Topic &operator=(const Topic &) = delete;

  const char *get() const { return long_.empty() ? short_ : long_.c_str(); }

 private:
  static constexpr size_t kLongestCharacter = 4;

  char short_[256];
  std::string long_;
};

uint8_t QosOf(Napi::Value value) {
  return static_cast<uint8_t>(value.As<Napi::Number>().Uint32Value());
}

} // namespace

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
                      InstanceMethod<&Device::Publish>("publish"),
                      InstanceMethod<&Device::Subscribe>("subscribe"),
                      InstanceMethod<&Device::Unsubscribe>("unsubscribe"),
                      InstanceMethod<&Device::Listen>("listen"),
                      InstanceMethod<&Device::Ask>("ask"),
                      InstanceMethod<&Device::HoldReading>("holdReading"),
                      InstanceMethod<&Device::AskGateway>("askGateway"),
                      InstanceMethod<&Device::Login>("login"),
                      InstanceMethod<&Device::Logout>("logout"),
                      InstanceMethod<&Device::OpenChannel>("openChannel"),
                      InstanceMethod<&Device::CloseChannel>("closeChannel"),
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
  return iotkit::ReportVersion(info, ChannelOf(info[2]));
}

Napi::Value Device::ReportProgress(const Napi::CallbackInfo &info) {
  return iotkit::ReportProgress(info, ChannelOf(info[3]));
}

Napi::Value Device::Request(const Napi::CallbackInfo &info) {
  return RequestUpgrade(info, ChannelOf(info[1]));
}

Napi::Value Device::RequestConfig(const Napi::CallbackInfo &info) {
  return iotkit::RequestConfig(info, ChannelOf(info[0]));
}

Napi::Value Device::AnswerConfig(const Napi::CallbackInfo &info) {
  return iotkit::AnswerConfig(info, ChannelOf(info[3]));
}

Napi::Value Device::RequestTime(const Napi::CallbackInfo &info) {
  return iotkit::RequestTime(info, ChannelOf(info[0]));
}

Channel *Device::ChannelOf(Napi::Value id) {
  return connection_->channel(NumberOf(id));
}

Napi::Value Device::AskGateway(const Napi::CallbackInfo &info) {
  Gateway *gateway = nullptr;
  uint32_t id = 0;
  int rc = connection_->OpenGateway(&gateway);
  auto what = static_cast<GatewayRequest>(NumberOf(info[0]));
  if (rc == 0) rc = gateway->Ask(what, SubDevices(info[1]), &id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), std::to_string(id));
}

Napi::Value Device::Login(const Napi::CallbackInfo &info) {
  Gateway *gateway = nullptr;
  int rc = connection_->OpenGateway(&gateway);
  if (rc == 0) rc = gateway->Login(SubDevices(info[0]));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value Device::Logout(const Napi::CallbackInfo &info) {
  Gateway *gateway = nullptr;
  int rc = connection_->OpenGateway(&gateway);
  if (rc == 0) rc = gateway->Logout(SubDevices(info[0]));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value Device::OpenChannel(const Napi::CallbackInfo &info) {
  int rc = connection_->OpenChannel(NumberOf(info[0]), TextOf(info[1]), TextOf(info[2]));
  return Napi::Number::New(info.Env(), rc);
}

void Device::CloseChannel(const Napi::CallbackInfo &info) {
  connection_->CloseChannel(NumberOf(info[0]));
}

// By the JS thread itself: the client queues the message, and wakes the I/O thread if that waits.
Napi::Value Device::Publish(const Napi::CallbackInfo &info) {
  iotkit_mqtt_t *client = connection_->client();
  Topic topic(info[0]);
  Payload payload(info[1]);
  bool retain = info[3].As<Napi::Boolean>().Value();
  int rc = client == nullptr ? static_cast<int>(IK_ECLOSED)
                             : iotkit_mqtt_publish(client, topic.get(), payload.data(),
                                                   payload.length(), QosOf(info[2]), retain);
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value Device::Subscribe(const Napi::CallbackInfo &info) {
  iotkit_mqtt_t *client = connection_->client();
  uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  int rc = client == nullptr
               ? static_cast<int>(IK_ECLOSED)
               : connection_->messaging().Subscribe(client, id, TextOf(info[1]), QosOf(info[2]));
  return Napi::Number::New(info.Env(), rc);
}

void Device::Unsubscribe(const Napi::CallbackInfo &info) {
  uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  connection_->messaging().Unsubscribe(connection_->client(), id);
}

Napi::Value Device::Listen(const Napi::CallbackInfo &info) {
  iotkit_mqtt_t *client = connection_->client();
  int rc = client == nullptr
               ? static_cast<int>(IK_ECLOSED)
               : connection_->messaging().Listen(client, NumberOf(info[0]), TextOf(info[1]));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value Device::Ask(const Napi::CallbackInfo &info) {
  iotkit_mqtt_t *client = connection_->client();
  int rc = client == nullptr ? static_cast<int>(IK_ECLOSED)
                             : iotkit_mqtt_ask(client, TextOf(info[0]).c_str(), QosOf(info[1]));
  return Napi::Number::New(info.Env(), rc);
}

void Device::HoldReading(const Napi::CallbackInfo &info) {
  connection_->HoldReading(info[0].As<Napi::Boolean>().Value());
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
