// device.h - a connected device, as lib/ sees it.
//
// Room device/, floor 4: one MQTT connection, its OTA channel, remote configuration and time; or a
// channel over a connection of the program's. Includes download/, trust/, runtime/, the public headers
// and napi.h; only module.cc includes it.
//   device           what lib/ calls          connection   client and channel on the I/O thread
//   attached_device  likewise                 attachment   channel over functions of lib/'s
//   device_listener  what calls lib/          messaging    subscriptions and messages of the program
//   gateway          sub-devices              channel      OTA, configuration and time of a device
//   device_options, channel_calls
#ifndef IOTKIT_NATIVE_DEVICE_DEVICE_H
#define IOTKIT_NATIVE_DEVICE_DEVICE_H

#include <napi.h>

#include <memory>

#include "runtime/wrapped.h"

namespace iotkit {

class Environment;
class Channel;
class Connection;

// JS thread only. Every call returns immediately; what follows is reported to the listener (see
// DeviceListener). While the device is open, native code refers to the listener, so an
// open device is not collected, like a socket.
// `channel`: a sub-device's, 0 or absent: the device's own.
//   reportVersion(version, module, channel) → packet id or a negative error
//   reportProgress(step, desc, module, channel) → 0 or a negative error
//   request(module, channel) → the request's id, or a negative error
//   requestConfig(channel) → the request's id, or a negative error
//   answerConfig(pushId, code, message, channel) → 0 or a negative error
//   requestTime(channel) → the request's id, or a negative error
//   publish(topic, payload, qos, retain) → packet id, 0 with QoS 0, or a negative error
//   subscribe(id, filter, qos) → packet id, 0: with the next connection; or a negative error
//   unsubscribe(id)
//   listen(id, filter) → 0 or a negative error: as subscribe, but the broker is not asked
//   ask(filter, qos) → packet id or a negative error: in this connection alone
//   askGateway(what, devices) → the request's id, or a negative error
//   login(devices), logout(devices) → 0 or a negative error
//   openChannel(channel, productKey, deviceName) → 0 or a negative error
//   closeChannel(channel)
//   holdReading(held)
//   setBandwidthLimit(bytesPerSecond)
//   close() ref() unref()
class Device final : public ObjectWrap<Device> {
 public:
  explicit Device(const Napi::CallbackInfo & /*info*/) {}

  static void Define(Napi::Env env, Environment *environment);
  // openDevice(options, listener) → Device | {errno, detail}
  static Napi::Value Open(const Napi::CallbackInfo &info);

 private:
  Napi::Value ReportVersion(const Napi::CallbackInfo &info);
  Napi::Value ReportProgress(const Napi::CallbackInfo &info);
  Napi::Value Request(const Napi::CallbackInfo &info);
  Napi::Value RequestConfig(const Napi::CallbackInfo &info);
  Napi::Value AnswerConfig(const Napi::CallbackInfo &info);
  Napi::Value RequestTime(const Napi::CallbackInfo &info);
  Napi::Value Publish(const Napi::CallbackInfo &info);
  Napi::Value Subscribe(const Napi::CallbackInfo &info);
  void Unsubscribe(const Napi::CallbackInfo &info);
  Napi::Value Listen(const Napi::CallbackInfo &info);
  Napi::Value Ask(const Napi::CallbackInfo &info);
  Napi::Value AskGateway(const Napi::CallbackInfo &info);
  Napi::Value Login(const Napi::CallbackInfo &info);
  Napi::Value Logout(const Napi::CallbackInfo &info);
  Napi::Value OpenChannel(const Napi::CallbackInfo &info);
  void CloseChannel(const Napi::CallbackInfo &info);
  void HoldReading(const Napi::CallbackInfo &info);
  void SetBandwidthLimit(const Napi::CallbackInfo &info);
  void Close(const Napi::CallbackInfo &info);
  void Ref(const Napi::CallbackInfo &info);
  void Unref(const Napi::CallbackInfo &info);
  Channel *ChannelOf(Napi::Value id);

  std::shared_ptr<Connection> connection_;
};

} // namespace iotkit

#endif
