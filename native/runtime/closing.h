// closing.h - what must have ended before its environment is gone.
#ifndef IOTKIT_NATIVE_RUNTIME_CLOSING_H
#define IOTKIT_NATIVE_RUNTIME_CLOSING_H

#include <cstddef>

namespace iotkit {

// An environment ends what it keeps rank by rank: users before what they use.
enum class EndRank : size_t {
  kDownload,   // may use a connection
  kConnection, // driven by the process's I/O thread; or a registration, which has its own
  kPublished   // handles of the published C API, each with a thread of its own
};
constexpr size_t kEndRanks = 3;

// Something with threads. The JS thread interrupts all of them before it waits for the first, so
// that the waits overlap.
class Closing {
 public:
  explicit Closing(EndRank rank) : rank_(rank) {}
  Closing(const Closing &) = delete;
  Closing &operator=(const Closing &) = delete;
  virtual ~Closing() = default;

  // Makes its threads end soon; does not wait.
  virtual void Interrupt() = 0;
  // Waits until no thread uses it any more and releases what it holds of JavaScript. The
  // environment drops its reference afterwards.
  virtual void AwaitEnd() = 0;
  EndRank rank() const { return rank_; }

 private:
  const EndRank rank_;
};

} // namespace iotkit

#endif
