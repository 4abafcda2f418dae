#include "published/ota_functions.h"

#include <iot_export.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

#include "published/client.h"
#include "published/ota.h"

namespace iotkit::published {

namespace {

void *OtaHandle(const Info &info) {
  auto *ota = EndpointOf<Ota>(info, 0);
  return ota == nullptr ? nullptr : ota->handle();
}

Napi::Value OtaInit(const Info &info) {
  Text product_key(info[0]);
  Text device_name(info[1]);
  auto *client = EndpointOf<Client>(info, 2);
  if (client == nullptr || client->handle() == nullptr) return info.Env().Null();
  auto ota = std::make_shared<Ota>(SessionOf(info),
                                   std::static_pointer_cast<Client>(client->shared_from_this()));
  if (!ota->Init(product_key.c_str(), device_name.c_str())) return info.Env().Null();
  SessionOf(info)->KeepOta(ota);
  return Wrap(info.Env(), std::move(ota));
}

Napi::Value OtaDeinit(const Info &info) {
  Napi::Env env = info.Env();
  if (OtaHandle(info) == nullptr) return Return(info, IOT_OTA_Deinit(nullptr));
  return Napi::Value(env, EndpointOf<Ota>(info, 0)->Deinit(env));
}

Napi::Value OtaReportVersion(const Info &info) {
  Text version(info[1]);
  return Return(info, IOT_OTA_ReportVersion(OtaHandle(info), version.c_str()));
}

Napi::Value OtaReportProgress(const Info &info) {
  Text text(info[2]);
  auto step = static_cast<IOT_OTA_Progress_t>(Int(info, 1));
  return Return(info, IOT_OTA_ReportProgress(OtaHandle(info), step, text.c_str()));
}

Napi::Value OtaIsFetching(const Info &info) {
  return Return(info, IOT_OTA_IsFetching(OtaHandle(info)));
}

Napi::Value OtaIsFetchFinish(const Info &info) {
  return Return(info, IOT_OTA_IsFetchFinish(OtaHandle(info)));
}

// (handle, buffer, timeout_s)
Napi::Value OtaFetchYield(const Info &info) {
  Napi::Env env = info.Env();
  Bytes buffer(info[1]);
  uint32_t timeout_s = info[2].As<Napi::Number>().Uint32Value();
  if (OtaHandle(info) == nullptr || buffer.length == 0)
    return Return(info, IOT_OTA_FetchYield(OtaHandle(info), nullptr, 0, timeout_s));
  return Napi::Value(
      env, EndpointOf<Ota>(info, 0)->FetchYield(env, info[1].As<Napi::Uint8Array>(), timeout_s));
}

bool IsNewText(int type) {
  return type == IOT_OTAG_COTA_CONFIG_ID || type == IOT_OTAG_COTA_SIGN ||
         type == IOT_OTAG_COTA_SIGN_METHOD || type == IOT_OTAG_COTA_URL ||
         type == IOT_OTAG_COTA_GETTYPE;
}

// Where C makes a new text, it is put into the buffer as the other texts are: a pointer is nothing
// for JavaScript.
int IoctlNewText(void *handle, IOT_OTA_CmdType_t type, Bytes buffer) {
  char *text = nullptr;
  int rc = IOT_OTA_Ioctl(handle, type, buffer.length == 0 ? nullptr : &text, sizeof(char *));
  if (rc != 0 || text == nullptr) return rc;
  size_t length = strlen(text);
  memset(buffer.data, 0, buffer.length);
  memcpy(buffer.data, text, length < buffer.length ? length : buffer.length - 1);
  free(text); // NOLINT(cppcoreguidelines-no-malloc): as the C SDK made it
  return rc;
}

// (handle, type, buffer)
Napi::Value OtaIoctl(const Info &info) {
  Bytes buffer(info[2]);
  int type = Int(info, 1);
  auto command = static_cast<IOT_OTA_CmdType_t>(type);
  if (IsNewText(type)) return Return(info, IoctlNewText(OtaHandle(info), command, buffer));
  return Return(info, IOT_OTA_Ioctl(OtaHandle(info), command, buffer.data, buffer.length));
}

Napi::Value OtaGetLastError(const Info &info) {
  return Return(info, IOT_OTA_GetLastError(OtaHandle(info)));
}

// (handle, function)
Napi::Value OtaSetOnPushedCallback(const Info &info) {
  if (OtaHandle(info) == nullptr)
    return Return(info, IOT_OTA_SetOnPushedCallback(nullptr, nullptr));
  auto function = static_cast<uint32_t>(Int(info, 1));
  return Return(info, EndpointOf<Ota>(info, 0)->SetOnPushedCallback(function));
}

Napi::Value OtaReqImage(const Info &info) {
  Text version(info[1]);
  return Return(info, iotx_req_image(OtaHandle(info), version.c_str()));
}

Napi::Value OtaGetConfig(const Info &info) {
  Text scope(info[1]);
  Text get_type(info[2]);
  Text attribute_keys(info[3]);
  return Return(info, iotx_ota_get_config(OtaHandle(info), scope.c_str(), get_type.c_str(),
                                          attribute_keys.c_str()));
}

constexpr NamedFunction kFunctions[] = {
    {"otaInit", OtaInit},
    {"otaDeinit", OtaDeinit},
    {"otaReportVersion", OtaReportVersion},
    {"otaReportProgress", OtaReportProgress},
    {"otaIsFetching", OtaIsFetching},
    {"otaIsFetchFinish", OtaIsFetchFinish},
    {"otaFetchYield", OtaFetchYield},
    {"otaIoctl", OtaIoctl},
    {"otaGetLastError", OtaGetLastError},
    {"otaSetOnPushedCallback", OtaSetOnPushedCallback},
    {"otaReqImage", OtaReqImage},
    {"otaGetConfig", OtaGetConfig},
};

} // namespace

FunctionTable OtaFunctions() {
  return {kFunctions, std::size(kFunctions)};
}

} // namespace iotkit::published
