// device.h - a connected device, as lib/ sees it.
//
// Room device/, floor 4: one MQTT connection, its OTA channel, remote configuration and time; or a
// channel over a connection of the program's. Includes download/, trust/, runtime/, the public headers
// and napi.h; only module.cc includes it.
//   device           what lib/ calls          connection   client and channel on the I/O thread
//   attached_device  likewise                 attachment   channel over functions of lib/'s
//   device_listener  what calls lib/          messaging    subscriptions and messages of the program
//   device_options, channel_calls
#ifndef IOTKIT_NATIVE_DEVICE_DEVICE_H
#define IOTKIT_NATIVE_DEVICE_DEVICE_H

#include <napi.h>

#include <memory>

namespace iotkit {

class Environment;
class Connection;

// JS thread only. Every call returns immediately; what follows is reported to the listener (see
// DeviceListener). While the device is open, native code refers to the listener's functions, so an
// open device is not collected, like a socket.
//   reportVersion(version, module) → packet id or a negative error
//   reportProgress(step, desc, module) → 0 or a negative error
//   request(module) → the request's id, or a negative error
//   requestConfig() → the request's id, or a negative error
//   answerConfig(pushId, code, message) → 0 or a negative error
//   requestTime() → the request's id, or a negative error
//   publish(topic, payload, qos, retain) → packet id, 0 with QoS 0, or a negative error
//   subscribe(id, filter, qos) → packet id, 0: with the next connection; or a negative error
//   unsubscribe(id)
//   holdReading(held)
//   setBandwidthLimit(bytesPerSecond)
//   close() ref() unref()
class Device final : public Napi::ObjectWrap<Device> {
 public:
  explicit Device(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Device>(info) {}

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
  void HoldReading(const Napi::CallbackInfo &info);
  void SetBandwidthLimit(const Napi::CallbackInfo &info);
  void Close(const Napi::CallbackInfo &info);
  void Ref(const Napi::CallbackInfo &info);
  void Unref(const Napi::CallbackInfo &info);

  std::shared_ptr<Connection> connection_;
};

} // namespace iotkit

#endif
