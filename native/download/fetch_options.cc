#include "download/fetch_options.h"

#include "runtime/runtime.h"
#include "trust/public_keys.h"
#include "trust/tls_context.h"

namespace iotkit {

namespace {

// Every member of iotkit_fetch_options but those that Read sets itself; a test holds the two lists
// against each other. "" is no proxy: only NULL would let the C SDK read the environment, which
// Node.js may be writing at this moment, and which is not that of a worker.
constexpr Option kOptions[] = {
    IOTKIT_NUMBER(iotkit_fetch_options, connectTimeoutMs, connect_timeout_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, responseTimeoutMs, response_timeout_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, idleTimeoutMs, idle_timeout_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, lowSpeedBytes, low_speed_bytes),
    IOTKIT_NUMBER(iotkit_fetch_options, lowSpeedMs, low_speed_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, maxRetries, max_retries),
    IOTKIT_NUMBER(iotkit_fetch_options, retryMinMs, retry_min_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, retryMaxMs, retry_max_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, maxRedirects, max_redirects),
    IOTKIT_NUMBER(iotkit_fetch_options, httpsOnly, https_only),
    IOTKIT_NUMBER(iotkit_fetch_options, maxTries, max_tries),
    IOTKIT_NUMBER(iotkit_fetch_options, totalTimeoutMs, total_timeout_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, renewTimeoutMs, renew_timeout_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, connections, connections),
    IOTKIT_TEXT(iotkit_fetch_options, headers, headers, kText),
    IOTKIT_TEXT(iotkit_fetch_options, proxy, proxy, kTextNeverNull),
    IOTKIT_TEXT(iotkit_fetch_options, httpsProxy, https_proxy, kTextNeverNull),
    IOTKIT_TEXT(iotkit_fetch_options, noProxy, no_proxy, kTextNeverNull),
    IOTKIT_TEXT(iotkit_fetch_options, allowedHosts, allowed_hosts, kText),
    IOTKIT_NUMBER(iotkit_fetch_options, requireSignature, require_signature),
    IOTKIT_NUMBER(iotkit_fetch_options, allowUnsigned, allow_unsigned),
    IOTKIT_NUMBER(iotkit_fetch_options, requireStatement, require_statement),
    IOTKIT_NUMBER(iotkit_fetch_options, patienceMs, patience_ms),
    IOTKIT_NUMBER(iotkit_fetch_options, maxSize, max_size),
};

} // namespace

bool FetchOptions::Read(Napi::Value value) {
  JsOptions given(value.As<Napi::Object>());
  fetch_.struct_size = sizeof(fetch_);
  if (!TlsContext::Read(given.Get("tls"), &fetch_.tls) ||
      !PublicKeys::Read(given.Get("keys"), &fetch_.keys)) {
    return false;
  }
  ReadOptions(given, kOptions, &fetch_, &texts_);
  // The digest is always ours to feed: it runs on a thread of its own.
  fetch_.external_digest = true;
  fetch_.limiters[0] = Runtime::Get().limiter;
  return true;
}

iotkit_fetch_options FetchOptions::LimitedBy(iotkit_limiter_t *limiter) const {
  iotkit_fetch_options limited = fetch_;
  limited.limiters[1] = limiter;
  return limited;
}

bool FetchOptions::operator==(const FetchOptions &other) const {
  return fetch_.tls == other.fetch_.tls && fetch_.keys == other.fetch_.keys &&
         AreSame(kOptions, fetch_, other.fetch_);
}

std::shared_ptr<const FetchOptions> FetchOptionsShare::Of(FetchOptions options) {
  auto shared = last_.lock();
  if (shared == nullptr || !(*shared == options)) {
    shared = std::make_shared<const FetchOptions>(std::move(options));
    last_ = shared;
  }
  return shared;
}

} // namespace iotkit
