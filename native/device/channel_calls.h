// channel_calls.h - what lib/ asks of a channel, whatever it is over.
#ifndef IOTKIT_NATIVE_DEVICE_CHANNEL_CALLS_H
#define IOTKIT_NATIVE_DEVICE_CHANNEL_CALLS_H

#include <napi.h>

namespace iotkit {

class Channel;

// JS thread. `channel` is nullptr once it is closed: then the result is IK_ECLOSED.
// (version, module) → packet id or a negative error
Napi::Value ReportVersion(const Napi::CallbackInfo &info, Channel *channel);
// (step, desc, module) → 0 or a negative error
Napi::Value ReportProgress(const Napi::CallbackInfo &info, Channel *channel);
// (module) → the request's id, or a negative error
Napi::Value RequestUpgrade(const Napi::CallbackInfo &info, Channel *channel);
// () → the request's id, or a negative error
Napi::Value RequestConfig(const Napi::CallbackInfo &info, Channel *channel);
// (pushId, code, message) → 0 or a negative error
Napi::Value AnswerConfig(const Napi::CallbackInfo &info, Channel *channel);
// () → the request's id, or a negative error
Napi::Value RequestTime(const Napi::CallbackInfo &info, Channel *channel);

} // namespace iotkit

#endif
