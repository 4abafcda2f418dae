#include "device/attached_device.h"

#include <array>
#include <utility>

#include "device/attachment.h"
#include "device/channel_calls.h"
#include "device/device_listener.h"
#include "device/device_options.h"
#include "runtime/environment.h"
#include "runtime/values.h"

namespace iotkit {

namespace {

// Refers to the functions of lib/'s transport. JS thread only.
class TransportFunctions final : public TransportListener {
 public:
  // nullptr: a function is missing; *missing is its name.
  static std::unique_ptr<TransportFunctions> Read(Napi::Value value, const char **missing) {
    std::unique_ptr<TransportFunctions> functions(new TransportFunctions);
    Napi::Object object = value.As<Napi::Object>();
    for (const auto &[name, reference] : functions->Table()) {
      Napi::Value found = object.Get(name);
      if (!found.IsFunction()) {
        *missing = name;
        return nullptr;
      }
      *reference = Napi::Persistent(found.As<Napi::Function>());
    }
    return functions;
  }

  void OnCall(Napi::Env env, const TransportCall &call) override {
    Napi::String topic = Napi::String::New(env, call.topic);
    Napi::Number qos = Napi::Number::New(env, call.qos);
    switch (call.kind) {
    case TransportCall::Kind::kPublish: {
      auto payload = Napi::Buffer<char>::Copy(env, call.payload.data(), call.payload.size());
      if (payload.IsEmpty()) return; // the environment ends
      Invoke(publish_, {topic, payload, qos, Napi::Number::New(env, call.packet_id)});
      break;
    }
    case TransportCall::Kind::kSubscribe:
      Invoke(subscribe_, {topic, qos});
      break;
    case TransportCall::Kind::kUnsubscribe:
      Invoke(unsubscribe_, {topic});
      break;
    }
  }

 private:
  std::array<std::pair<const char *, Napi::FunctionReference *>, 3> Table() {
    return {{{"publish", &publish_}, {"subscribe", &subscribe_}, {"unsubscribe", &unsubscribe_}}};
  }

  Napi::FunctionReference publish_;
  Napi::FunctionReference subscribe_;
  Napi::FunctionReference unsubscribe_;
};

} // namespace

void AttachedDevice::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<AttachedDevice>(
      DefineClass(env, "AttachedDevice",
                  {
                      InstanceMethod<&AttachedDevice::ReportVersion>("reportVersion"),
                      InstanceMethod<&AttachedDevice::ReportProgress>("reportProgress"),
                      InstanceMethod<&AttachedDevice::Request>("request"),
                      InstanceMethod<&AttachedDevice::RequestConfig>("requestConfig"),
                      InstanceMethod<&AttachedDevice::AnswerConfig>("answerConfig"),
                      InstanceMethod<&AttachedDevice::RequestTime>("requestTime"),
                      InstanceMethod<&AttachedDevice::Feed>("feed"),
                      InstanceMethod<&AttachedDevice::Keep>("keep"),
                      InstanceMethod<&AttachedDevice::SetConnected>("setConnected"),
                      InstanceMethod<&AttachedDevice::SetBandwidthLimit>("setBandwidthLimit"),
                      InstanceMethod<&AttachedDevice::Close>("close"),
                      InstanceMethod<&AttachedDevice::Ref>("ref"),
                      InstanceMethod<&AttachedDevice::Unref>("unref"),
                  }));
}

Napi::Value AttachedDevice::Attach(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  DeviceOptions options;
  if (!options.Read(info[0])) return Failure(env, IK_EINVALID_ARGUMENT, "keys");
  const char *missing = nullptr;
  auto listener = DeviceListener::Read(info[1], &missing);
  if (listener == nullptr) return Failure(env, IK_EINVALID_ARGUMENT, missing);
  auto transport = TransportFunctions::Read(info[2], &missing);
  if (transport == nullptr) return Failure(env, IK_EINVALID_ARGUMENT, missing);

  char detail[IOTKIT_DETAIL_MAX] = "";
  auto attachment =
      std::make_shared<Attachment>(Environment::Of(env), std::move(listener), std::move(transport));
  int rc = attachment->Open(&options, detail);
  if (rc < 0) return Failure(env, rc, detail);

  AttachedDevice *device = nullptr;
  Napi::Object object = Environment::Of(env)->New(&device);
  if (device == nullptr) {
    attachment->Close();
  } else {
    device->attachment_ = std::move(attachment);
  }
  return object;
}

Napi::Value AttachedDevice::ReportVersion(const Napi::CallbackInfo &info) {
  return iotkit::ReportVersion(info, attachment_->channel());
}

Napi::Value AttachedDevice::ReportProgress(const Napi::CallbackInfo &info) {
  return iotkit::ReportProgress(info, attachment_->channel());
}

Napi::Value AttachedDevice::Request(const Napi::CallbackInfo &info) {
  return RequestUpgrade(info, attachment_->channel());
}

Napi::Value AttachedDevice::RequestConfig(const Napi::CallbackInfo &info) {
  return iotkit::RequestConfig(info, attachment_->channel());
}

Napi::Value AttachedDevice::AnswerConfig(const Napi::CallbackInfo &info) {
  return iotkit::AnswerConfig(info, attachment_->channel());
}

Napi::Value AttachedDevice::RequestTime(const Napi::CallbackInfo &info) {
  return iotkit::RequestTime(info, attachment_->channel());
}

Napi::Value AttachedDevice::Feed(const Napi::CallbackInfo &info) {
  auto payload = info[1].As<Napi::Uint8Array>();
  bool taken = attachment_->Feed(TextOf(info[0]), payload.Data(), payload.ByteLength(),
                                 info[2].As<Napi::Boolean>().Value());
  return Napi::Boolean::New(info.Env(), taken);
}

Napi::Value AttachedDevice::Keep(const Napi::CallbackInfo &info) {
  auto payload = info[1].As<Napi::Uint8Array>();
  bool kept = attachment_->Keep(
      {TransportCall::Kind::kPublish, TextOf(info[0]),
       std::string(reinterpret_cast<const char *>(payload.Data()), payload.ByteLength()), 1,
       info[2].As<Napi::Number>().Int32Value()});
  return Napi::Boolean::New(info.Env(), kept);
}

void AttachedDevice::SetConnected(const Napi::CallbackInfo &info) {
  attachment_->SetConnected(info[0].As<Napi::Boolean>().Value());
}

void AttachedDevice::SetBandwidthLimit(const Napi::CallbackInfo &info) {
  attachment_->SetBandwidthLimit(BytesPerSecond(info[0]));
}

void AttachedDevice::Close(const Napi::CallbackInfo & /*info*/) {
  attachment_->Close();
}

void AttachedDevice::Ref(const Napi::CallbackInfo & /*info*/) {
  attachment_->SetHeld(true);
}

void AttachedDevice::Unref(const Napi::CallbackInfo & /*info*/) {
  attachment_->SetHeld(false);
}

} // namespace iotkit
