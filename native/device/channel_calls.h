// channel_calls.h - what lib/ asks of a channel, whatever it is over.
#ifndef IOTKIT_NATIVE_DEVICE_CHANNEL_CALLS_H
#define IOTKIT_NATIVE_DEVICE_CHANNEL_CALLS_H

#include <iotkit.h>
#include <napi.h>

namespace iotkit {

// JS thread. `channel` is nullptr once it is closed: then the result is IK_ECLOSED.
// (version, module) → packet id or a negative error
Napi::Value ReportVersion(const Napi::CallbackInfo &info, iotkit_ota_t *channel);
// (step, desc, module) → 0 or a negative error
Napi::Value ReportProgress(const Napi::CallbackInfo &info, iotkit_ota_t *channel);
// (module) → the request's id, or a negative error
Napi::Value RequestUpgrade(const Napi::CallbackInfo &info, iotkit_ota_t *channel);
// `opened`: what opening `config` has returned; an error is the result.
// () → the request's id, or a negative error
Napi::Value RequestConfig(const Napi::CallbackInfo &info, int opened, iotkit_config_t *config);
// (pushId, code, message) → 0 or a negative error
Napi::Value AnswerConfig(const Napi::CallbackInfo &info, int opened, iotkit_config_t *config);
// () → the request's id, or a negative error
Napi::Value RequestTime(const Napi::CallbackInfo &info, int opened, iotkit_time_t *time);

} // namespace iotkit

#endif
