#include "download/downloads.h"

#include "download/chunk_transfer.h"
#include "download/file_transfer.h"
#include "runtime/environment.h"

namespace iotkit {

void FileDownload::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<FileDownload>(DefineClass(env, "FileDownload",
                                                  {
                                                      InstanceMethod<&FileDownload::Abort>("abort"),
                                                      InstanceMethod<&FileDownload::Pause>("pause"),
                                                  }));
}

Napi::Value FileDownload::Start(Napi::Env env, const std::shared_ptr<FileTransfer> &transfer) {
  FileDownload *download = nullptr;
  Napi::Object object = Environment::Of(env)->New(&download);
  if (download == nullptr) return object;
  download->transfer_ = transfer;
  transfer->Enqueue();
  return object;
}

void FileDownload::Abort(const Napi::CallbackInfo & /*info*/) {
  if (transfer_ != nullptr) transfer_->Abort();
}

void FileDownload::Pause(const Napi::CallbackInfo &info) {
  if (transfer_ != nullptr) transfer_->Pause(info.Env(), info[0].ToBoolean());
}

void ChunkDownload::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<ChunkDownload>(
      DefineClass(env, "ChunkDownload",
                  {
                      InstanceMethod<&ChunkDownload::Lend>("lend"),
                      InstanceMethod<&ChunkDownload::Take>("take"),
                      InstanceMethod<&ChunkDownload::Settle>("settle"),
                      InstanceMethod<&ChunkDownload::Pause>("pause"),
                      InstanceMethod<&ChunkDownload::Close>("close"),
                  }));
}

Napi::Value ChunkDownload::Start(Napi::Env env, const std::shared_ptr<ChunkTransfer> &transfer) {
  ChunkDownload *download = nullptr;
  Napi::Object object = Environment::Of(env)->New(&download);
  if (download == nullptr) return object;
  download->transfer_ = transfer;
  transfer->Enqueue();
  return object;
}

ChunkDownload::~ChunkDownload() {
  if (transfer_ != nullptr) transfer_->Close(Napi::Function());
}

Napi::Value ChunkDownload::Lend(const Napi::CallbackInfo &info) {
  bool lent = transfer_ != nullptr && transfer_->Lend(info.Env());
  return Napi::Boolean::New(info.Env(), lent);
}

Napi::Value ChunkDownload::Take(const Napi::CallbackInfo &info) {
  bool taken = transfer_ != nullptr && transfer_->Take(info[0].As<Napi::Function>());
  return Napi::Boolean::New(info.Env(), taken);
}

void ChunkDownload::Settle(const Napi::CallbackInfo & /*info*/) {
  if (transfer_ != nullptr) transfer_->Settle();
}

void ChunkDownload::Pause(const Napi::CallbackInfo &info) {
  if (transfer_ != nullptr) transfer_->Pause(info.Env(), info[0].ToBoolean());
}

void ChunkDownload::Close(const Napi::CallbackInfo &info) {
  if (transfer_ != nullptr) transfer_->Close(info[0].As<Napi::Function>());
}

} // namespace iotkit
