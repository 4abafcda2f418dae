// fetch_options.h - how firmware is fetched, as lib/ says it.
#ifndef IOTKIT_NATIVE_FETCH_OPTIONS_H
#define IOTKIT_NATIVE_FETCH_OPTIONS_H

#include "public_keys.h"
#include "runtime.h"
#include "tls_context.h"
#include "values.h"

namespace iotkit {

// JS thread. Has the texts that the options point to, for as long as the C SDK needs them to copy
// them; headers and proxies may be secrets. TLS context, keys and limiters are borrowed.
class FetchOptions final {
 public:
  FetchOptions() = default;
  ~FetchOptions() {
    Wipe(&headers_);
    Wipe(&proxy_);
    Wipe(&https_proxy_);
  }
  FetchOptions(const FetchOptions &) = delete;
  FetchOptions &operator=(const FetchOptions &) = delete;

  // false: `tls` or `keys` is not what it should be.
  bool Read(Napi::Value value) {
    Options given(value.As<Napi::Object>());
    if (!TlsContext::Read(given.Get("tls"), &fetch_.tls) ||
        !PublicKeys::Read(given.Get("keys"), &fetch_.keys)) {
      return false;
    }
    ReadNumbers(given);
    ReadTexts(given);
    fetch_.https_only = given.Flag("httpsOnly");
    fetch_.require_signature = given.Flag("requireSignature");
    // The digest is always ours to feed: it runs on a thread of its own.
    fetch_.external_digest = true;
    fetch_.limiters[0] = Runtime::Get().limiter;
    return true;
  }

  // Besides that of the process.
  void LimitBy(iotkit_limiter_t *limiter) { fetch_.limiters[1] = limiter; }

  const iotkit_fetch_options &get() const { return fetch_; }

 private:
  void ReadNumbers(const Options &given) {
    fetch_.connect_timeout_ms = given.Number("connectTimeoutMs");
    fetch_.response_timeout_ms = given.Number("responseTimeoutMs");
    fetch_.idle_timeout_ms = given.Number("idleTimeoutMs");
    fetch_.low_speed_bytes = given.Number("lowSpeedBytes");
    fetch_.low_speed_ms = given.Number("lowSpeedMs");
    fetch_.max_retries = given.Number("maxRetries");
    fetch_.max_tries = given.Number("maxTries");
    fetch_.total_timeout_ms = given.Number("totalTimeoutMs");
    fetch_.retry_min_ms = given.Number("retryMinMs");
    fetch_.retry_max_ms = given.Number("retryMaxMs");
    fetch_.renew_timeout_ms = given.Number("renewTimeoutMs");
    fetch_.connections = given.Number("connections");
    fetch_.max_redirects = static_cast<uint8_t>(given.Number("maxRedirects"));
  }

  // "" is no proxy: only NULL would let the C SDK read the environment, which Node.js may be
  // writing at this moment, and which is not that of a worker.
  void ReadTexts(const Options &given) {
    headers_ = given.Text("headers");
    proxy_ = given.Text("proxy");
    https_proxy_ = given.Text("httpsProxy");
    no_proxy_ = given.Text("noProxy");
    allowed_hosts_ = given.Text("allowedHosts");
    fetch_.headers = OrNull(headers_);
    fetch_.proxy = proxy_.c_str();
    fetch_.https_proxy = https_proxy_.c_str();
    fetch_.no_proxy = no_proxy_.c_str();
    fetch_.allowed_hosts = OrNull(allowed_hosts_);
  }

  iotkit_fetch_options fetch_ = {};
  std::string headers_;
  std::string proxy_;
  std::string https_proxy_;
  std::string no_proxy_;
  std::string allowed_hosts_;
};

} // namespace iotkit

#endif
