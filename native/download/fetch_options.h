// fetch_options.h - how firmware is fetched, as lib/ says it.
#ifndef IOTKIT_NATIVE_DOWNLOAD_FETCH_OPTIONS_H
#define IOTKIT_NATIVE_DOWNLOAD_FETCH_OPTIONS_H

#include <iotkit.h>
#include <napi.h>

#include <memory>

#include "runtime/option_table.h"

namespace iotkit {

// JS thread. Owns the texts that the options point to, for as long as the C SDK needs to copy them.
// TLS context, keys and limiters are borrowed.
class FetchOptions final {
 public:
  FetchOptions() = default;
  FetchOptions(FetchOptions &&) = default;
  FetchOptions &operator=(FetchOptions &&) = default;
  FetchOptions(const FetchOptions &) = delete;
  FetchOptions &operator=(const FetchOptions &) = delete;

  // false: `tls` or `keys` is not what it should be.
  bool Read(Napi::Value value);

  const iotkit_fetch_options &get() const { return fetch_; }
  // With a limit besides that of the process.
  iotkit_fetch_options LimitedBy(iotkit_limiter_t *limiter) const;
  bool operator==(const FetchOptions &other) const;

 private:
  iotkit_fetch_options fetch_ = {};
  OptionTexts texts_;
};

// One per environment, JS thread: devices that fetch alike, as thousands of one program do, have the same
// options once. Who holds them keeps references to what they borrow.
class FetchOptionsShare final {
 public:
  std::shared_ptr<const FetchOptions> Of(FetchOptions options);

 private:
  std::weak_ptr<const FetchOptions> last_; // of the device that was opened last
};

} // namespace iotkit

#endif
