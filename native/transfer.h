// transfer.h - one consumption of an upgrade.
#ifndef IOTKIT_NATIVE_TRANSFER_H
#define IOTKIT_NATIVE_TRANSFER_H

#include <iotkit.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "block_queue.h"
#include "image.h"
#include "mailbox.h"

namespace iotkit {

class Addon;

// What is to be fetched, and where to.
struct Order {
  std::vector<std::unique_ptr<Image>> images; // one, or each of several files
  std::vector<Target> targets;                // each gets all of it
  bool resume = false;                        // goes on with what is there, keeps what came
};

// Made, started, finished and destroyed on the JS thread. "iotkit-recv" receives and stores,
// "iotkit-digest" digests and hands on, so that a download goes at the speed of its slowest part
// and not of the sum. Storing goes with receiving because digesting is the slowest: MD5 alone can
// keep a core busy. A block is received once; from its one buffer it is written into every target,
// digested, and handed on. The base class does all of that; subclasses own the buffers and are the
// JavaScript face.
// Lifetime: the environment's Addon keeps it until its thread is joined, so both threads use a
// plain pointer.
class Transfer : public Source {
 public:
  Transfer(Addon *addon, Order order);
  ~Transfer() override;

  // JS thread.
  void Start();
  void Abort();
  // It keeps its threads, and its place among the running ones.
  void Pause(bool paused);
  // The environment ends: stops the threads and lets go of everything of JavaScript's.
  void Shutdown();
  bool ended() const { return ended_; }

  // Any thread.
  void Interrupt();

  // By Slots, under its mutex. false: the transfer has failed.
  bool StartThread();

 protected:
  // On the receiving thread, around everything: puts the buffers into free_, if they are not
  // JavaScript's.
  virtual int OpenBuffers(uint64_t largest_image) = 0;
  virtual void CloseBuffers() = 0;
  // Whether an image may begin again at byte 0, after parts of it were handed on.
  virtual bool MayBeginAgain() const = 0;
  // On the receiving thread, when every image is there and verified, before the files get their
  // names: waits until the consumer has used what it was handed.
  virtual int AwaitConsumer() = 0;
  // On the digesting thread, in order: the block is the subclass's until it is in free_ again.
  virtual void HandOn(const Block &block) = 0;
  // On the JS thread.
  virtual void DeliverNews(Napi::Env env) = 0;
  virtual void DeliverEnd(Napi::Env env, int error, const std::string &detail) = 0;
  virtual void ReleaseValues() = 0;

  void Post();
  void Fail(int error, const char *detail);
  bool has_targets() const { return !order_.targets.empty(); }
  // Any thread. Whether all is open and what is there is known; from then on how many bytes there
  // were, and are: stored and digested.
  bool begun() const { return begun_; }
  uint64_t resumed() const { return resumed_; }
  uint64_t done() const { return done_; }

  Addon *const addon_;
  const std::shared_ptr<Mailbox> mailbox_;
  BlockQueue free_;

 private:
  // What the receiving thread has in hand: a block, with bytes in it if its length is not 0.
  struct Filling {
    Block block;
    bool has_block = false;
    uint64_t expected = 0; // the offset that goes on where the last block ended
  };

  void Deliver(Napi::Env env) final;
  void Run();
  int OpenAll(char *detail);
  bool FetchImage(Image *image);
  void AwaitEnd(Image *image);
  bool Receive(Image *image, Filling *filling);
  void Digest();
  void Finish();
  bool HasFailed();
  bool Seal();
  void SetFinished();
  void Join();

  Order order_;
  BlockQueue filled_;
  Image *current_ = nullptr;          // of both threads; changes while there is no digesting thread
  uint64_t elsewhere_ = 0;            // likewise: bytes of the other images that are there
  iotkit_thread_t *thread_ = nullptr; // set under the mutex of Slots

  std::atomic<bool> begun_{false};
  std::atomic<uint64_t> resumed_{0};
  std::atomic<uint64_t> done_{0}; // latest wins

  std::mutex mutex_; // of the next four
  int error_ = 0;
  std::string detail_;
  bool sealed_ = false; // the outcome is decided by Finish alone: too late to abort
  bool finished_ = false;

  bool ended_ = false; // JS thread: finished, joined and told
};

} // namespace iotkit

#endif
