// device.h - a connected device, as lib/ sees it.
#ifndef IOTKIT_NATIVE_DEVICE_H
#define IOTKIT_NATIVE_DEVICE_H

#include <napi.h>

#include <memory>

namespace iotkit {

class Addon;
class Connection;

// JS thread only. Every call returns at once; what follows is told to onEvent (see DeviceEvent).
// While it is open, onEvent is referred to from here, so an open device is not collected, like a
// socket.
//   reportVersion(version, module) → packet id or a negative error
//   reportProgress(step, desc, module) → 0 or a negative error
//   request(module) → the request's id, or a negative error
//   setBandwidthLimit(bytesPerSecond)
//   close() ref() unref()
class Device final : public Napi::ObjectWrap<Device> {
 public:
  explicit Device(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Device>(info) {}

  static void Define(Napi::Env env, Addon *addon);
  // openDevice(options, onEvent) → Device | {errno, detail}
  static Napi::Value Open(const Napi::CallbackInfo &info);

 private:
  Napi::Value ReportVersion(const Napi::CallbackInfo &info);
  Napi::Value ReportProgress(const Napi::CallbackInfo &info);
  Napi::Value Request(const Napi::CallbackInfo &info);
  void SetBandwidthLimit(const Napi::CallbackInfo &info);
  void Close(const Napi::CallbackInfo &info);
  void Ref(const Napi::CallbackInfo &info);
  void Unref(const Napi::CallbackInfo &info);

  std::shared_ptr<Connection> connection_;
};

} // namespace iotkit

#endif
