#include "device/channel_calls.h"

#include <string>

#include "device/channel.h"
#include "runtime/values.h"

namespace iotkit {

Napi::Value ReportVersion(const Napi::CallbackInfo &info, Channel *channel) {
  std::string version = TextOf(info[0]);
  std::string module = TextOf(info[1]);
  int rc = channel == nullptr
               ? static_cast<int>(IK_ECLOSED)
               : iotkit_ota_report_version(channel->ota(), version.c_str(), OrNull(module));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value ReportProgress(const Napi::CallbackInfo &info, Channel *channel) {
  int step = info[0].As<Napi::Number>().Int32Value();
  std::string desc = TextOf(info[1]);
  std::string module = TextOf(info[2]);
  int rc = channel == nullptr
               ? static_cast<int>(IK_ECLOSED)
               : iotkit_ota_report_progress(channel->ota(), step, OrNull(desc), OrNull(module));
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value RequestUpgrade(const Napi::CallbackInfo &info, Channel *channel) {
  std::string module = TextOf(info[0]);
  char id[16] = "";
  int rc = channel == nullptr ? static_cast<int>(IK_ECLOSED)
                              : iotkit_ota_request(channel->ota(), OrNull(module), id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
}

Napi::Value RequestConfig(const Napi::CallbackInfo &info, Channel *channel) {
  iotkit_config_t *config = nullptr;
  char id[16] = "";
  int rc = channel == nullptr ? static_cast<int>(IK_ECLOSED) : channel->OpenConfig(&config);
  if (rc == 0) rc = iotkit_config_request(config, id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
}

Napi::Value AnswerConfig(const Napi::CallbackInfo &info, Channel *channel) {
  std::string push_id = TextOf(info[0]);
  int code = info[1].As<Napi::Number>().Int32Value();
  std::string message = TextOf(info[2]);
  iotkit_config_t *config = nullptr;
  int rc = channel == nullptr ? static_cast<int>(IK_ECLOSED) : channel->OpenConfig(&config);
  if (rc == 0) rc = iotkit_config_answer(config, push_id.c_str(), code, message.c_str());
  return Napi::Number::New(info.Env(), rc);
}

Napi::Value RequestTime(const Napi::CallbackInfo &info, Channel *channel) {
  iotkit_time_t *time = nullptr;
  char id[IOTKIT_TIME_ID_MAX] = "";
  int rc = channel == nullptr ? static_cast<int>(IK_ECLOSED) : channel->OpenTime(&time);
  if (rc == 0) rc = iotkit_time_request(time, id);
  if (rc < 0) return Napi::Number::New(info.Env(), rc);
  return Napi::String::New(info.Env(), id);
}

} // namespace iotkit
