// downloads.h - running transfers, as lib/ sees them.
#ifndef IOTKIT_NATIVE_DOWNLOAD_DOWNLOADS_H
#define IOTKIT_NATIVE_DOWNLOAD_DOWNLOADS_H

#include <napi.h>

#include <memory>

#include "runtime/wrapped.h"

namespace iotkit {

class Environment;
class ChunkTransfer;
class FileTransfer;

// JS thread only. After abort(), onEnd reports the end. A collected object changes nothing: the
// download runs to its end.
//   abort()   pause(paused)
class FileDownload final : public ObjectWrap<FileDownload> {
 public:
  explicit FileDownload(const Napi::CallbackInfo & /*info*/) {}
  static void Define(Napi::Env env, Environment *environment);
  static Napi::Value Start(Napi::Env env, const std::shared_ptr<FileTransfer> &transfer);

 private:
  void Abort(const Napi::CallbackInfo &info);
  void Pause(const Napi::CallbackInfo &info);

  std::shared_ptr<FileTransfer> transfer_;
};

// JS thread only. A collected object ends the transfer: nobody can take its chunks any more.
//   lend() → boolean   take(onChunk) → boolean   settle()   pause(paused)   close(onEnd)
class ChunkDownload final : public ObjectWrap<ChunkDownload> {
 public:
  explicit ChunkDownload(const Napi::CallbackInfo & /*info*/) {}
  ~ChunkDownload() override;
  static void Define(Napi::Env env, Environment *environment);
  static Napi::Value Start(Napi::Env env, const std::shared_ptr<ChunkTransfer> &transfer);

 private:
  Napi::Value Lend(const Napi::CallbackInfo &info);
  Napi::Value Take(const Napi::CallbackInfo &info);
  void Settle(const Napi::CallbackInfo &info);
  void Pause(const Napi::CallbackInfo &info);
  void Close(const Napi::CallbackInfo &info);

  std::shared_ptr<ChunkTransfer> transfer_;
};

} // namespace iotkit

#endif
