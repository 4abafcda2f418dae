// transfer.h - one consumption of an upgrade's image.
#ifndef IOTKIT_NATIVE_TRANSFER_H
#define IOTKIT_NATIVE_TRANSFER_H

#include <iotkit.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "block_queue.h"
#include "mailbox.h"

namespace iotkit {

class Addon;

// Made, started, finished and destroyed on the JS thread. "iotkit-recv" receives and stores,
// "iotkit-digest" digests and hands on, so that a download goes at the speed of its slowest part
// and not of the sum. Storing goes with receiving because digesting is the slowest: MD5 alone can
// keep a core busy. The base class moves the blocks; subclasses are where the bytes go and the
// JavaScript face.
// Lifetime: the environment's Addon keeps it until its thread is joined, so both threads use a
// plain pointer.
class Transfer : public Source {
 public:
  // Takes over the reference to a job that has not been fetched.
  Transfer(Addon *addon, iotkit_job_t *job);
  ~Transfer() override;

  // JS thread.
  void Start();
  void Abort();
  // The environment ends: stops the threads and lets go of everything of JavaScript's.
  void Shutdown();
  bool ended() const { return ended_; }

  // Any thread.
  void Interrupt();

  // By Slots, under its mutex. false: the transfer has failed.
  bool StartThread();

 protected:
  // On the receiving thread: before the first byte; when all was handed on and the image is
  // verified; at the end in any case.
  virtual int OpenSink(std::string *detail) = 0;
  virtual int CommitSink(std::string *detail) = 0;
  virtual void DiscardSink() = 0;
  // On the receiving thread: keeps the bytes. Then, in the same order, on the digesting thread:
  // they are digested, and the block is the sink's until it goes back into free_.
  virtual int Store(const Block &block, std::string *detail) = 0;
  virtual int HandOn(const Block &block, std::string *detail) = 0;
  // On the JS thread.
  virtual void DeliverNews(Napi::Env env) = 0;
  virtual void DeliverEnd(Napi::Env env, int error, const std::string &detail) = 0;
  virtual void ReleaseValues() = 0;

  void Post();
  void Fail(int error, const std::string &detail);

  Addon *const addon_;
  iotkit_job_t *const job_;
  const std::shared_ptr<Mailbox> mailbox_;
  BlockQueue free_;

 private:
  void Deliver(Napi::Env env) final;
  void Run();
  void Receive();
  void Digest();
  void Finish();
  bool Seal();
  void SetFinished();
  void Join();

  BlockQueue filled_;
  iotkit_thread_t *thread_ = nullptr; // set under the mutex of Slots

  std::mutex mutex_; // of the next four
  int error_ = 0;
  std::string detail_;
  bool sealed_ = false; // the outcome is decided by Finish alone: too late to abort
  bool finished_ = false;

  bool ended_ = false; // JS thread: finished, joined and told
};

} // namespace iotkit

#endif
