// download_slots.h - how many downloads receive at once in this process, and which of them wait for
// what another one brings; the others wait their turn.
#ifndef IOTKIT_NATIVE_RUNTIME_DOWNLOAD_SLOTS_H
#define IOTKIT_NATIVE_RUNTIME_DOWNLOAD_SLOTS_H

#include <iotkit.h>

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace iotkit {

// The files of a download that has succeeded, in their order, kept open for others to be made from.
// Owns a reference of each.
class Originals final {
 public:
  explicit Originals(std::vector<iotkit_original_t *> files) : files_(std::move(files)) {}
  ~Originals() {
    for (iotkit_original_t *file : files_)
      iotkit_original_unref(file);
  }
  Originals(const Originals &) = delete;
  Originals &operator=(const Originals &) = delete;

  size_t count() const { return files_.size(); }
  const iotkit_original_t *file(size_t i) const { return files_[i]; }

 private:
  const std::vector<iotkit_original_t *> files_;
};
using SharedOriginals = std::shared_ptr<const Originals>;

// A download that waits for a slot, or has begun. DownloadSlots calls these under its mutex.
class Turn {
 public:
  virtual ~Turn() = default;

  // Its first turn has come: without originals to receive, and it has a slot; else to copy those,
  // without one. false: it failed to start, and needs no slot.
  virtual bool StartTurn(SharedOriginals originals) = 0;
  // Its turn has come again, after it gave its slot away and asked for another.
  virtual void ResumeTurn() = 0;
  // While it waits for the first time: another one receives what it wants, so many bytes by now; or
  // no other does any more.
  virtual void Follow(bool follows, uint64_t received) = 0;
  // Makes one that has begun end soon; does not wait.
  virtual void Interrupt() = 0;
};

// Any thread. First come, first served.
//
//   turn      slot  queued  thread
//   waiting    -      x       -     Enter. Its turn comes → running, copying
//   running    x      -       x     Give → idle, Leave → gone
//   copying    -      -       x     Give → idle, Ask → waiting again, Leave → gone
//   idle       -      -       x     receives nothing, so others may. Ask → waiting again
//   waiting    -      x       x     again. Its turn comes → running, Leave → gone
//
// Turns with the same key want the same image. While one of them runs, the others wait, whatever is
// free: once it has succeeded, they copy what it brought. Where it becomes idle, or ends in another
// way, the next one runs; and as many at once as are idle, because what keeps those may be of the
// server.
class DownloadSlots final {
 public:
  static constexpr size_t kDefaultMax = 2;
  static constexpr size_t kLimit = 64;
  // Downloads that have begun and not ended, each with two threads and its buffers: so many may be
  // idle, with servers that do not answer, before the next one has to wait for one of them.
  static constexpr size_t kBegunMax = 128;
  // So many copy at once: while one waits for the disk at its commit, another one copies.
  static constexpr size_t kCopyingMax = 4;

  // A larger number starts waiting turns right away; a smaller one takes effect as running ones
  // end.
  void SetMax(size_t max);
  // `key`: see above; "": it shares with nobody.
  void Enter(std::shared_ptr<Turn> turn, const std::string &key);
  // Takes a turn that waits for the first time out: true, and it never starts. false: it has begun.
  bool Withdraw(const Turn *turn);
  // By a running or copying turn's thread: its slot goes to the next.
  void Give(const Turn *turn);
  // By an idle or copying turn's thread: it queues for a slot, at the end; ResumeTurn says that it
  // has one. One that was to copy has found that it cannot: then no other does either.
  void Ask(const Turn *turn);
  // By the thread of a running turn: those that wait for it hear of it.
  void Received(const Turn *turn, uint64_t received);
  // By the thread of a turn that has begun, as the last thing it does with its slot. `originals`:
  // what it brought; nullptr: it has not, or shares it with nobody.
  void Leave(const Turn *turn, SharedOriginals originals);
  // Process exit: nothing starts any more, and what has begun is interrupted.
  void InterruptAll();
  // How many are queued.
  size_t waiting();

 private:
  // The turns with one key; it exists as long as there is one.
  struct Group {
    size_t waiting = 0; // for the first time
    size_t running = 0; // or asking for a slot: bytes come
    size_t idle = 0;
    SharedOriginals originals; // while one waits
    uint64_t received = 0;     // by the one that was last heard of
  };
  using SharedGroup = std::shared_ptr<Group>; // nullptr: the turn shares with nobody
  struct Queued {
    std::shared_ptr<Turn> turn;
    bool again;        // it has begun
    bool follows;      // as it was told
    SharedGroup group; // of one that has begun nullptr
  };
  enum class Doing { kRunning, kCopying, kIdle, kAsking };
  struct Begun {
    std::shared_ptr<Turn> turn;
    Doing doing;
    SharedGroup group;
  };

  // Under the mutex.
  SharedGroup Join(const std::string &key);
  void StartWaiting();
  bool MayStart(const Queued &queued) const;
  void Start(Queued queued);
  static SharedOriginals StopWaiting(const Queued &queued);
  static void TellFollower(Queued *queued);
  static bool HasPlace(const Begun &begun);
  void Change(Begun *begun, Doing doing);
  void Count(const Begun &begun, bool add);
  std::list<Queued>::iterator FindQueued(const Turn *turn);
  std::list<Begun>::iterator FindBegun(const Turn *turn);

  std::mutex mutex_;
  std::list<Queued> queue_;
  std::list<Begun> begun_;
  std::map<std::string, std::weak_ptr<Group>> groups_;
  size_t running_ = 0; // have a slot
  size_t copying_ = 0;
  size_t max_ = kDefaultMax;
  bool exiting_ = false;
};

} // namespace iotkit

#endif
