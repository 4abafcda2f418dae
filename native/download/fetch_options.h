// fetch_options.h - how firmware is fetched, as lib/ says it.
#ifndef IOTKIT_NATIVE_DOWNLOAD_FETCH_OPTIONS_H
#define IOTKIT_NATIVE_DOWNLOAD_FETCH_OPTIONS_H

#include <iotkit.h>
#include <napi.h>

#include "runtime/option_table.h"

namespace iotkit {

// JS thread. Owns the texts that the options point to, for as long as the C SDK needs to copy them.
// TLS context, keys and limiters are borrowed.
class FetchOptions final {
 public:
  FetchOptions() = default;
  FetchOptions(const FetchOptions &) = delete;
  FetchOptions &operator=(const FetchOptions &) = delete;

  // false: `tls` or `keys` is not what it should be.
  bool Read(Napi::Value value);

  // A limit besides that of the process.
  void LimitBy(iotkit_limiter_t *limiter) { fetch_.limiters[1] = limiter; }

  const iotkit_fetch_options &get() const { return fetch_; }

 private:
  iotkit_fetch_options fetch_ = {};
  OptionTexts texts_;
};

} // namespace iotkit

#endif
