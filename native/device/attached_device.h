// attached_device.h - a device over a connection of the program's, as lib/ sees it.
#ifndef IOTKIT_NATIVE_DEVICE_ATTACHED_DEVICE_H
#define IOTKIT_NATIVE_DEVICE_ATTACHED_DEVICE_H

#include <napi.h>

#include <memory>

#include "runtime/wrapped.h"

namespace iotkit {

class Environment;
class Attachment;

// JS thread only. What the channel wants to send comes by the functions of the third argument:
//   publish(topic, payload, qos, packetId)   packetId 0: QoS 0
//   subscribe(topic, qos) unsubscribe(topic)
// The rest is as with Device, and besides:
//   feed(topic, payload, dup) → whether it was the channel's
//   setConnected(connected)
//   keep(topic, payload, packetId) → whether there was room; a publish that failed with the connection
class AttachedDevice final : public ObjectWrap<AttachedDevice> {
 public:
  explicit AttachedDevice(const Napi::CallbackInfo & /*info*/) {}

  static void Define(Napi::Env env, Environment *environment);
  // attachDevice(options, listener, transport) → AttachedDevice | {errno, detail}
  static Napi::Value Attach(const Napi::CallbackInfo &info);

 private:
  Napi::Value ReportVersion(const Napi::CallbackInfo &info);
  Napi::Value ReportProgress(const Napi::CallbackInfo &info);
  Napi::Value Request(const Napi::CallbackInfo &info);
  Napi::Value RequestConfig(const Napi::CallbackInfo &info);
  Napi::Value AnswerConfig(const Napi::CallbackInfo &info);
  Napi::Value RequestTime(const Napi::CallbackInfo &info);
  Napi::Value Feed(const Napi::CallbackInfo &info);
  Napi::Value Keep(const Napi::CallbackInfo &info);
  void SetConnected(const Napi::CallbackInfo &info);
  void SetBandwidthLimit(const Napi::CallbackInfo &info);
  void Close(const Napi::CallbackInfo &info);
  void Ref(const Napi::CallbackInfo &info);
  void Unref(const Napi::CallbackInfo &info);

  std::shared_ptr<Attachment> attachment_;
};

} // namespace iotkit

#endif
