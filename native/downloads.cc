#include "downloads.h"

#include "addon.h"
#include "chunk_transfer.h"
#include "file_transfer.h"

namespace iotkit {

void FileDownload::Define(Napi::Env env, Addon *addon) {
  addon->file_download =
      Napi::Persistent(DefineClass(env, "FileDownload",
                                   {
                                       InstanceMethod<&FileDownload::Abort>("abort"),
                                       InstanceMethod<&FileDownload::Pause>("pause"),
                                   }));
}

Napi::Value FileDownload::Start(Napi::Env env, const std::shared_ptr<FileTransfer> &transfer) {
  Napi::Object object = Addon::Of(env)->file_download.New({});
  FileDownload *download = object.IsEmpty() ? nullptr : Unwrap(object);
  if (download == nullptr) return object;
  download->transfer_ = transfer;
  transfer->Start();
  return object;
}

void FileDownload::Abort(const Napi::CallbackInfo & /*info*/) {
  if (transfer_ != nullptr) transfer_->Abort();
}

void FileDownload::Pause(const Napi::CallbackInfo &info) {
  if (transfer_ != nullptr) transfer_->Pause(info[0].ToBoolean());
}

void ChunkDownload::Define(Napi::Env env, Addon *addon) {
  addon->chunk_download =
      Napi::Persistent(DefineClass(env, "ChunkDownload",
                                   {
                                       InstanceMethod<&ChunkDownload::Lend>("lend"),
                                       InstanceMethod<&ChunkDownload::Take>("take"),
                                       InstanceMethod<&ChunkDownload::Settle>("settle"),
                                       InstanceMethod<&ChunkDownload::Pause>("pause"),
                                       InstanceMethod<&ChunkDownload::Close>("close"),
                                   }));
}

Napi::Value ChunkDownload::Start(Napi::Env env, const std::shared_ptr<ChunkTransfer> &transfer) {
  Napi::Object object = Addon::Of(env)->chunk_download.New({});
  ChunkDownload *download = object.IsEmpty() ? nullptr : Unwrap(object);
  if (download == nullptr) return object;
  download->transfer_ = transfer;
  transfer->Start();
  return object;
}

ChunkDownload::~ChunkDownload() {
  if (transfer_ != nullptr) transfer_->Close(Napi::Function());
}

Napi::Value ChunkDownload::Lend(const Napi::CallbackInfo &info) {
  bool taken = transfer_ != nullptr && info[0].IsArrayBuffer() &&
               transfer_->Lend(info[0].As<Napi::ArrayBuffer>());
  return Napi::Boolean::New(info.Env(), taken);
}

Napi::Value ChunkDownload::Take(const Napi::CallbackInfo &info) {
  bool taken = transfer_ != nullptr && transfer_->Take(info[0].As<Napi::Function>());
  return Napi::Boolean::New(info.Env(), taken);
}

void ChunkDownload::Settle(const Napi::CallbackInfo & /*info*/) {
  if (transfer_ != nullptr) transfer_->Settle();
}

void ChunkDownload::Pause(const Napi::CallbackInfo &info) {
  if (transfer_ != nullptr) transfer_->Pause(info[0].ToBoolean());
}

void ChunkDownload::Close(const Napi::CallbackInfo &info) {
  if (transfer_ != nullptr) transfer_->Close(info[0].As<Napi::Function>());
}

} // namespace iotkit
