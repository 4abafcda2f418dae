// device_options.h - what lib/ passes to openDevice.
#ifndef IOTKIT_NATIVE_DEVICE_DEVICE_OPTIONS_H
#define IOTKIT_NATIVE_DEVICE_DEVICE_OPTIONS_H

#include <iotkit.h>
#include <napi.h>

#include <string>

#include "download/fetch_options.h"
#include "runtime/option_table.h"

namespace iotkit {

// JS thread. Owns the texts that the structs point to, the device secret among them. The TLS
// context is borrowed.
class DeviceOptions final {
 public:
  DeviceOptions() = default;
  DeviceOptions(const DeviceOptions &) = delete;
  DeviceOptions &operator=(const DeviceOptions &) = delete;

  // false: `tls` or `keys` is not what it should be.
  bool Read(Napi::Value value);

  iotkit_sign_options sign = {};
  iotkit_mqtt_options mqtt = {}; // what CONNECT carries is left out
  FetchOptions fetch;
  uint64_t bytes_per_second = 0;

 private:
  void ReadWill(const JsOptions &given);

  OptionTexts texts_;
  std::string will_payload_;
};

} // namespace iotkit

#endif
