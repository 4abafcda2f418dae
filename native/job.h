// job.h - an announced upgrade, as lib/ sees it.
#ifndef IOTKIT_NATIVE_JOB_H
#define IOTKIT_NATIVE_JOB_H

#include <iotkit.h>
#include <napi.h>

namespace iotkit {

class Addon;

// JS thread only. Holds the announcement; each download fetches a fresh copy of it, so it may be
// tried again.
//   info: {id, module, version, url, size, digestMethod, digest, digestSign, isDiff, extData, files}
//   download(targets, options, onProgress, onEnd) → FileDownload | {errno, detail}
//   chunks(targets, options) → ChunkDownload | {errno, detail}
class Job final : public Napi::ObjectWrap<Job> {
 public:
  explicit Job(const Napi::CallbackInfo &info);
  ~Job() override;

  static void Define(Napi::Env env, Addon *addon);
  // parseJob(json, fetchOptions) → Job | {errno, detail}
  static Napi::Value Parse(const Napi::CallbackInfo &info);
  // Takes over the reference.
  static Napi::Value Wrap(Napi::Env env, iotkit_job_t *job);

 private:
  Napi::Value Info(const Napi::CallbackInfo &info);
  Napi::Value Download(const Napi::CallbackInfo &info);
  Napi::Value Chunks(const Napi::CallbackInfo &info);

  iotkit_job_t *job_ = nullptr;
};

} // namespace iotkit

#endif
