#include "device/channel_calls.h"

#include <string>

#include "runtime/values.h"

namespace iotkit {

Napi::Value ReportVersion(const Napi::CallbackInfo &info, iotkit_ota_t *channel) {
  std::string version = TextOf(info[0]);
  std::string module = TextOf(info[1]);
  int rc = channel == nullptr ? static_cast<int>(IK_ECLOSED)
                              : iotkit_ota_report_version(channel, version.c_str(), OrNull(module));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value ReportProgress(const Napi::CallbackInfo &info, iotkit_ota_t *channel) {
  int step = info[0].As<Napi::Number>().Int32Value();
  std::string desc = TextOf(info[1]);
  std::string module = TextOf(info[2]);
  int rc = channel == nullptr
               ? static_cast<int>(IK_ECLOSED)
               : iotkit_ota_report_progress(channel, step, OrNull(desc), OrNull(module));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value RequestUpgrade(const Napi::CallbackInfo &info, iotkit_ota_t *channel) {
  std::string module = TextOf(info[0]);
  char id[16] = "";
  int rc = channel == nullptr ? static_cast<int>(IK_ECLOSED)
                              : iotkit_ota_request(channel, OrNull(module), id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
}

Napi::Value RequestConfig(const Napi::CallbackInfo &info, int opened, iotkit_config_t *config) {
  char id[16] = "";
  int rc = opened < 0 ? opened : iotkit_config_request(config, id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
}

Napi::Value AnswerConfig(const Napi::CallbackInfo &info, int opened, iotkit_config_t *config) {
  std::string push_id = TextOf(info[0]);
  int code = info[1].As<Napi::Number>().Int32Value();
  std::string message = TextOf(info[2]);
  int rc =
      opened < 0 ? opened : iotkit_config_answer(config, push_id.c_str(), code, message.c_str());
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value RequestTime(const Napi::CallbackInfo &info, int opened, iotkit_time_t *time) {
  char id[IOTKIT_TIME_ID_MAX] = "";
  int rc = opened < 0 ? opened : iotkit_time_request(time, id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
}

} // namespace iotkit
