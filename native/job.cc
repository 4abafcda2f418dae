#include "job.h"

#include "addon.h"
#include "chunk_transfer.h"
#include "downloads.h"
#include "fetch_options.h"
#include "file_transfer.h"
#include "runtime.h"

namespace iotkit {

namespace {

std::string Hex(const uint8_t *bytes, size_t len) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * len);
  for (size_t i = 0; i < len; i++) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

} // namespace

void Job::Define(Napi::Env env, Addon *addon) {
  addon->job = Napi::Persistent(DefineClass(env, "Job",
                                            {
                                                InstanceAccessor<&Job::Info>("info"),
                                                InstanceMethod<&Job::Download>("download"),
                                                InstanceMethod<&Job::Chunks>("chunks"),
                                            }));
}

Job::Job(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Job>(info) {
  if (info[0].IsExternal()) job_ = info[0].As<Napi::External<iotkit_job_t>>().Data();
  Runtime::Get().counters.jobs++;
}

Job::~Job() {
  iotkit_job_unref(job_);
  Runtime::Get().counters.jobs--;
}

Napi::Value Job::Wrap(Napi::Env env, iotkit_job_t *job) {
  Napi::Object object = Addon::Of(env)->job.New({Napi::External<iotkit_job_t>::New(env, job)});
  if (object.IsEmpty()) iotkit_job_unref(job);
  return object;
}

Napi::Value Job::Parse(const Napi::CallbackInfo &info) {
  std::string json = info[0].As<Napi::String>().Utf8Value();
  iotkit_fetch_options fetch;
  if (!ReadFetchOptions(info[1], &fetch)) {
    return Failure(info.Env(), IK_EINVALID_ARGUMENT, "tls");
  }
  iotkit_job_t *job = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_job_parse(json.data(), json.size(), &fetch, &job, detail);
  return rc < 0 ? Failure(info.Env(), rc, detail) : Wrap(info.Env(), job);
}

Napi::Value Job::Info(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  const iotkit_upgrade *upgrade = iotkit_job_upgrade(job_);
  bool md5 = upgrade->digest_method == IOTKIT_DIGEST_MD5;
  Napi::Object out = Napi::Object::New(env);
  auto text = [&](const char *key, const std::string &value) {
    out.Set(key, Napi::String::New(env, value));
  };
  text("id", upgrade->id);
  text("module", upgrade->module);
  text("version", upgrade->version);
  text("url", upgrade->url);
  text("digestMethod", md5 ? "md5" : "sha256");
  text("digest", Hex(upgrade->digest, md5 ? 16 : 32));
  text("digestSign", upgrade->digest_sign);
  text("extData", upgrade->ext_data);
  out.Set("size", Napi::Number::New(env, static_cast<double>(upgrade->size)));
  out.Set("isDiff", Napi::Boolean::New(env, upgrade->is_diff));
  return out;
}

Napi::Value Job::Download(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  iotkit_job_t *fresh = nullptr;
  int rc = iotkit_job_dup(job_, &fresh);
  if (rc < 0) return Failure(env, rc, "");
  auto transfer =
      std::make_shared<FileTransfer>(Addon::Of(env), fresh, info[0].As<Napi::String>().Utf8Value(),
                                     info[1].As<Napi::Function>(), info[2].As<Napi::Function>());
  return FileDownload::Start(env, transfer);
}

Napi::Value Job::Chunks(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  iotkit_job_t *fresh = nullptr;
  int rc = iotkit_job_dup(job_, &fresh);
  if (rc < 0) return Failure(env, rc, "");
  return ChunkDownload::Start(env, std::make_shared<ChunkTransfer>(Addon::Of(env), fresh));
}

} // namespace iotkit
