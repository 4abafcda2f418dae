#include "download/job.h"

#include "download/chunk_transfer.h"
#include "download/downloads.h"
#include "download/fetch_options.h"
#include "download/file_transfer.h"
#include "runtime/environment.h"
#include "runtime/runtime.h"

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

// `digest` may be nullptr: none.
void SetImage(Napi::Object out, uint64_t size, iotkit_digest_method method, const uint8_t *digest) {
  bool md5 = method == IOTKIT_DIGEST_MD5;
  Napi::Env env = out.Env();
  out.Set("size", Napi::Number::New(env, static_cast<double>(size)));
  out.Set("digestMethod", Napi::String::New(env, md5 ? "md5" : "sha256"));
  out.Set("digest", Napi::String::New(env, digest ? Hex(digest, md5 ? 16 : 32) : ""));
}

Napi::Array FilesOf(Napi::Env env, const iotkit_upgrade *upgrade) {
  Napi::Array files = Napi::Array::New(env);
  for (size_t i = 0; i < upgrade->file_count; i++) {
    const iotkit_upgrade_file &from = upgrade->files[i];
    Napi::Object file = Napi::Object::New(env);
    file.Set("name", Napi::String::New(env, from.name));
    SetImage(file, from.size, from.digest_method, from.digest);
    files.Set(static_cast<uint32_t>(i), file);
  }
  return files;
}

Target ReadTarget(Napi::Value value) {
  JsOptions given(value.As<Napi::Object>());
  Target target;
  target.path = given.Text("path");
  target.mode = given.Number("mode");
  target.in_place = given.Flag("inPlace");
  target.base = static_cast<uint64_t>(given.Float("base"));
  target.journal = given.Text("journal");
  return target;
}

// An image with a fresh copy of the job, which nobody has fetched yet; of several files, number `i`.
int AddImage(const iotkit_job_t *job, size_t i, DownloadPlan *plan) {
  const iotkit_upgrade *upgrade = iotkit_job_upgrade(job);
  bool several = upgrade->file_count > 0;
  iotkit_job_t *fresh = nullptr;
  iotkit_image_t *image = nullptr;
  int rc = several ? iotkit_job_open_file(job, i, &fresh) : iotkit_job_dup(job, &fresh);
  if (rc == 0) rc = iotkit_image_new(fresh, &image);
  iotkit_job_unref(fresh);
  if (rc == 0) plan->images.emplace_back(new Image(image, several ? upgrade->files[i].name : ""));
  return rc;
}

int AddImages(const iotkit_job_t *job, DownloadPlan *plan) {
  size_t i = 0;
  int rc;
  do {
    rc = AddImage(job, i++, plan);
  } while (rc == 0 && i < iotkit_job_upgrade(job)->file_count);
  return rc;
}

// {value, over}, or undefined.
int SetSignature(Image *image, Napi::Value value) {
  if (!value.IsObject()) return 0;
  JsOptions given(value.As<Napi::Object>());
  Napi::Value bytes = given.Get("value");
  if (!bytes.IsTypedArray()) return IK_EINVALID_ARGUMENT;
  auto signature = bytes.As<Napi::Uint8Array>();
  auto what = static_cast<iotkit_signed>(given.Number("over"));
  return image->SetSignature(what, signature.Data(), signature.ByteLength());
}

// (targets, {resume, share, signatures})
int ReadPlan(const Napi::CallbackInfo &info, const iotkit_job_t *job, DownloadPlan *plan) {
  Napi::Array targets = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < targets.Length(); i++)
    plan->targets.push_back(ReadTarget(targets[i]));
  JsOptions given(info[1].As<Napi::Object>());
  plan->resume = given.Flag("resume");
  plan->links = given.Get("share").IsString();
  plan->share = plan->links || given.Flag("share");
  int rc = AddImages(job, plan);
  Napi::Array signatures = given.Get("signatures").As<Napi::Array>();
  for (uint32_t i = 0; rc == 0 && i < plan->images.size(); i++)
    rc = SetSignature(plan->images[i].get(), signatures[i]);
  return rc;
}

} // namespace

void Job::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<Job>(DefineClass(env, "Job",
                                         {
                                             InstanceAccessor<&Job::Info>("info"),
                                             InstanceMethod<&Job::Download>("download"),
                                             InstanceMethod<&Job::Chunks>("chunks"),
                                         }));
}

Job::Job(const Napi::CallbackInfo &info) {
  if (info[0].IsExternal()) job_ = info[0].As<Napi::External<iotkit_job_t>>().Data();
  Runtime::Get().counters.jobs++;
}

Job::~Job() {
  iotkit_job_unref(job_);
  Runtime::Get().counters.jobs--;
}

Napi::Value Job::Wrap(Napi::Env env, iotkit_job_t *job) {
  Job *wrapped = nullptr;
  Napi::Object object =
      Environment::Of(env)->New(&wrapped, {Napi::External<iotkit_job_t>::New(env, job)});
  if (object.IsEmpty()) iotkit_job_unref(job);
  return object;
}

Napi::Value Job::Parse(const Napi::CallbackInfo &info) {
  std::string json = info[0].As<Napi::String>().Utf8Value();
  FetchOptions fetch;
  if (!fetch.Read(info[1])) return Failure(info.Env(), IK_EINVALID_ARGUMENT, "tls, keys");
  iotkit_job_t *job = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_job_parse(json.data(), json.size(), &fetch.get(), &job, detail);
  return rc < 0 ? Failure(info.Env(), rc, detail) : Wrap(info.Env(), job);
}

Napi::Value Job::Info(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  const iotkit_upgrade *upgrade = iotkit_job_upgrade(job_);
  Napi::Object out = Napi::Object::New(env);
  auto text = [&](const char *key, const char *value) { // no copy: a URL may be a secret
    out.Set(key, Napi::String::New(env, value));
  };
  text("id", upgrade->id);
  text("module", upgrade->module);
  text("version", upgrade->version);
  text("url", upgrade->url);
  text("digestSign", upgrade->digest_sign);
  text("extData", upgrade->ext_data);
  text("statementSign", upgrade->statement_sign);
  if (upgrade->file_count > 0) {
    SetImage(out, upgrade->size, upgrade->files[0].digest_method, nullptr);
  } else {
    SetImage(out, upgrade->size, upgrade->digest_method, upgrade->digest);
  }
  out.Set("files", FilesOf(env, upgrade));
  out.Set("isDiff", Napi::Boolean::New(env, upgrade->is_diff));
  return out;
}

Napi::Value Job::Download(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  DownloadPlan plan;
  int rc = ReadPlan(info, job_, &plan);
  if (rc < 0) return Failure(env, rc, "");
  auto transfer = std::make_shared<FileTransfer>(
      Environment::Of(env), std::move(plan), info[2].As<Napi::Function>(),
      info[3].As<Napi::Function>(), info[4].As<Napi::Function>());
  return FileDownload::Start(env, transfer);
}

Napi::Value Job::Chunks(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  DownloadPlan plan;
  int rc = ReadPlan(info, job_, &plan);
  if (rc < 0) return Failure(env, rc, "");
  JsOptions given(info[1].As<Napi::Object>());
  uint32_t chunk_bytes = given.Number("chunkSize");
  if (chunk_bytes == 0) return Failure(env, IK_EINVALID_ARGUMENT, "chunkSize");
  const uint64_t size = iotkit_job_upgrade(job_)->size;
  if (size > 0 && size < chunk_bytes) chunk_bytes = static_cast<uint32_t>(size);
  auto transfer =
      std::make_shared<ChunkTransfer>(Environment::Of(env), std::move(plan), chunk_bytes,
                                      given.Flag("recycle"), info[2].As<Napi::Function>());
  return ChunkDownload::Start(env, transfer);
}

} // namespace iotkit
