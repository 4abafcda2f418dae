// transfer.h - one consumption of an upgrade.
#ifndef IOTKIT_NATIVE_DOWNLOAD_TRANSFER_H
#define IOTKIT_NATIVE_DOWNLOAD_TRANSFER_H

#include <iotkit.h>

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "download/block_queue.h"
#include "download/image.h"
#include "download/slot_share.h"
#include "runtime/closing.h"
#include "runtime/download_slots.h"
#include "runtime/mailbox.h"

namespace iotkit {

class Environment;

// What is to be fetched, and where to.
struct DownloadPlan {
  std::vector<std::unique_ptr<Image>> images; // one, or each of several files
  std::vector<Target> targets;                // each gets all images
  bool resume = false; // uses bytes already on disk, keeps new ones for later
  bool share = false;  // copies what another one fetches, and lets others copy
  bool links = false;  // and makes hard links in the place of copies
};

// Made, enqueued, finished and destroyed on the JS thread. "iotkit-recv" receives, writes, digests and
// delivers. Where cores are likely to be idle (Runtime::digests_beside, looked at when it is made)
// "iotkit-digest" digests and delivers instead, so that a download goes at the speed of its slowest
// part and not of the sum. Writing goes with receiving because digesting is the slowest: MD5 alone can
// keep a core busy. Where none is idle, the hand-over between the two costs more than it gains
// (docs/decisions.md); what is said of the digesting thread here then holds for the receiving one.
// A block is received once; from its one buffer it is written into every target, digested, and
// delivered. The base class does all of that; subclasses own the buffers and are the JavaScript face.
// Both threads last from its first turn to its end; its slot it gives away meanwhile wherever
// nothing comes (slot_share.h).
// Lifetime: its Environment keeps it until its thread is joined, so both threads use a plain
// pointer.
//
// One that wants what another fetches waits for its files and copies them (DownloadSlots): then its
// receiving thread receives nothing, and it has no other.
//
//               sealed_ finished_ ended_   next
//   waiting        -        -       -      running; finished, if aborted or without a thread
//   running        -        -       -      committing, with the outcome decided: too late to abort
//   committing     x        -       -      finished: the receiving thread has done its last
//   finished       x        x       -      ended, by Deliver
//   ended          x        x       x      final. The environment's end goes here from anywhere,
//                                          by AwaitEnd
class Transfer : public Source, public Closing, public Turn {
 public:
  // on_phase(phase, attempt, errno, detail, delay): see lib/addon/binding.ts.
  Transfer(Environment *environment, DownloadPlan plan, Napi::Function on_phase);
  ~Transfer() override;

  // JS thread.
  // It starts when it gets a slot.
  void Enqueue();
  void Abort();
  // It keeps its threads, and gives its slot away. The change of phase is delivered at once.
  void Pause(Napi::Env env, bool paused);
  void AwaitEnd() override;
  bool ended() const { return ended_; }

  // Any thread. As a Closing and as a Turn.
  void Interrupt() override;
  bool StartTurn(SharedOriginals originals) override;
  void ResumeTurn() override { share_.Grant(); }
  void Follow(bool follows, uint64_t received) override;

 protected:
  // On the receiving thread, before the first and after the last image: puts the buffers into
  // free_, unless JavaScript lends them.
  virtual int OpenBuffers(uint64_t largest_image) = 0;
  virtual void CloseBuffers() = 0;
  // Whether an image may start over at byte 0 after parts of it were delivered.
  virtual bool MayStartOver() const = 0;
  // On the receiving thread, when every image is complete and verified, before the files get their
  // names: waits until the consumer has used what was delivered.
  virtual int AwaitConsumer() = 0;
  // Receiving thread: the next block of free_. It gives its slot away where it has to wait long.
  // false: no block will come any more.
  bool TakeFree(Block *block);
  // On the digesting thread, in order: the block is the subclass's until it is in free_ again.
  virtual void DeliverBlock(const Block &block) = 0;
  // On the JS thread.
  virtual void DeliverNews(Napi::Env env) = 0;
  virtual void DeliverEnd(Napi::Env env, int error, const std::string &detail) = 0;
  virtual void ReleaseValues() = 0;

  void Post() { mailbox_->Post(shared_from_this()); }
  void Fail(int error, const char *detail);
  bool digests_beside() const { return digests_beside_; }
  bool has_targets() const { return !plan_.targets.empty(); }
  // Digesting thread: those that wait for the same image hear how far it has come.
  void TellFollowers();
  // Any thread. Whether all targets are open, or another one receives for this one; from then on,
  // how many bytes were already on disk, and how many are now written and digested, those included,
  // or received by the other.
  bool opened() const { return opened_; }
  uint64_t resumed() const { return resumed_; }
  uint64_t done() const { return done_; }
  // JS thread, at its end.
  iotkit_made made() const { return made_; }

  Environment *const environment_;
  const std::shared_ptr<Mailbox> mailbox_;
  BlockQueue free_;

 private:
  // What the receiving thread has in hand: a buffer, and the bytes in it that are not yet written.
  struct PendingBlock {
    Block block;
    bool has_buffer = false;
    uint64_t expected = 0; // the offset after the last block
    bool has_bytes() const { return block.length > 0; }
  };
  enum class Filled { kBytes, kNothingYet, kStartedOver, kStopped };

  // What it is doing, as kPhaseNames says it to JavaScript.
  enum class Phase {
    kQueued,
    kSharing,
    kProving,
    kDownloading,
    kRetrying,
    kPaused,
    kVerifying,
    kCommitting
  };
  static const char *const kPhaseNames[];
  // Of kRetrying: a try has failed, and another follows.
  struct Retry {
    uint32_t attempt = 0;
    int error = 0;
    std::string detail;
    uint64_t due_ms = 0; // iotkit_now_ms()
  };
  struct Change {
    Phase phase;
    Retry retry;
  };
  // So many wait for a busy JS thread, which then misses the oldest.
  static constexpr size_t kChangesMax = 32;

  void Deliver(Napi::Env env) final;
  void DeliverChanges(Napi::Env env);
  bool TakeChange(Change *out);
  void Release();
  bool IsFinished();
  void Join();

  // Receiving thread.
  void Run();
  int OpenAll(char *detail);
  int OpenTargets(uint64_t *largest, char *detail);
  int ResumeAll(char *detail);
  // The commit of several goes by their parts.
  bool MayLink() const { return plan_.links && originals_ != nullptr && plan_.images.size() == 1; }
  int CopyAll(char *detail);
  int TryCopy(bool *copied, char *detail);
  SharedOriginals CommitAll();
  std::string ShareKey() const;
  bool FetchImage(Image *image);
  bool FetchRound(Image *image, PendingBlock *pending, bool *again);
  bool Receive(Image *image, PendingBlock *pending);
  bool IsAllButEnd(const Image &image, const PendingBlock &pending) const;
  void AwaitEndOfBody(Image *image);
  Filled FillBlock(Image *image, PendingBlock *pending);
  int64_t Fetch(Image *image, Block *block, char *detail);
  static void OnRetry(void *self, const iotkit_retry *retry);
  static void OnPhase(void *self, iotkit_phase phase);
  void Enter(Phase phase);
  void Enter(Phase phase, Retry retry);
  bool WriteBlock(Image *image, PendingBlock *pending);
  void Finish();

  // Digesting thread.
  void Digest();
  bool DigestBlock(const Block &block);

  // Any thread.
  bool HasFailed() {
    std::lock_guard<std::mutex> lock(mutex_);
    return error_ != 0;
  }
  bool Seal();
  void NoteChange(); // under the mutex
  void SetFinished();

  const bool digests_beside_;
  DownloadPlan plan_;
  BlockQueue filled_;
  SlotShare share_;
  bool shares_ = false;       // it has a key; set before it is enqueued
  SharedOriginals originals_; // what it is to copy; set before its thread starts
  iotkit_made made_ = IOTKIT_MADE_FETCHED;
  // Of both threads; these two change only while there is no digesting thread.
  Image *current_image_ = nullptr;
  uint64_t other_images_bytes_ = 0;   // written and digested, of all images but the current one
  iotkit_thread_t *thread_ = nullptr; // set under the mutex of DownloadSlots

  std::atomic<bool> opened_{false};
  std::atomic<uint64_t> resumed_{0};
  std::atomic<uint64_t> done_{0}; // latest wins

  std::mutex mutex_;             // of the next nine
  Phase phase_ = Phase::kQueued; // changed by the receiving thread alone
  Retry retry_;
  bool paused_ = false;
  Phase noted_ = Phase::kQueued; // the last of changes_
  std::list<Change> changes_;    // those that JavaScript has not been told
  int error_ = 0;
  std::string detail_;
  bool sealed_ = false;
  bool finished_ = false;

  // JS thread.
  bool ended_ = false;
  Napi::FunctionReference on_phase_;
};

} // namespace iotkit

#endif
