// job.h - an announced upgrade, as lib/ sees it.
//
// Room download/, floor 3: fetching what was announced. Includes trust/, runtime/, the public
// headers and napi.h; never device/ or published/.
//   job             the announcement         transfer        one download: its two threads
//   downloads       a transfer, for lib/     file_transfer   ... into files and devices
//   image           a job and its targets    chunk_transfer  ... into chunks for JavaScript
//   fetch_options   how to fetch             chunk_memory    ... and their memory
//   slot_share      a transfer's slot        block_queue     buffers between the threads
#ifndef IOTKIT_NATIVE_DOWNLOAD_JOB_H
#define IOTKIT_NATIVE_DOWNLOAD_JOB_H

#include <iotkit.h>
#include <napi.h>

#include "runtime/wrapped.h"

namespace iotkit {

class Environment;

// JS thread only. Holds the announcement; each download fetches a fresh copy of it, so it may be
// tried again.
//   info: {id, module, version, url, size, digestMethod, digest, digestSign, statementSign, isDiff,
//   extData, files}
//   download(targets, options, onProgress, onEnd, onPhase) → FileDownload | {errno, detail}
//   chunks(targets, options with {chunkSize, recycle}, onPhase) → ChunkDownload | {errno, detail}
class Job final : public ObjectWrap<Job> {
 public:
  explicit Job(const Napi::CallbackInfo &info);
  ~Job() override;

  static void Define(Napi::Env env, Environment *environment);
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
