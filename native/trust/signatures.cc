#include "trust/signatures.h"

#include "runtime/environment.h"
#include "runtime/values.h"

namespace iotkit {

namespace {

// Those that are being made, of the whole process, by the numbers that lib/ knows them by. Any thread. Never
// destroyed, like Runtime: handshakes may wait while the process exits.
class Pending final {
 public:
  static Pending &Get() {
    static Pending *const pending = new Pending;
    return *pending;
  }
  double Add(iotkit_tls_signature_t *signature) {
    std::lock_guard<std::mutex> lock(mutex_);
    signatures_.emplace_back(++last_id_, signature);
    return last_id_;
  }
  // nullptr: it was taken before.
  iotkit_tls_signature_t *Take(double id) {
    return TakeIf([id](const Entry &entry) { return entry.first == id; }).second;
  }
  // 0: it was taken before.
  double Take(const iotkit_tls_signature_t *signature) {
    return TakeIf([signature](const Entry &entry) { return entry.second == signature; }).first;
  }

 private:
  using Entry = std::pair<double, iotkit_tls_signature_t *>;

  template <typename Predicate>
  Entry TakeIf(Predicate is_it) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto at = signatures_.begin(); at != signatures_.end(); ++at) {
      if (!is_it(*at)) continue;
      Entry entry = *at;
      signatures_.erase(at);
      return entry;
    }
    return {0, nullptr};
  }

  std::mutex mutex_;
  std::list<Entry> signatures_;
  double last_id_ = 0;
};

std::string Bytes(const uint8_t *data, size_t len) {
  return std::string(reinterpret_cast<const char *>(data), len);
}

} // namespace

// ---- JS thread ----

Signer::Signer(std::shared_ptr<Mailbox> mailbox, Napi::Function on_sign, Napi::Function on_cancel)
    : Closing(EndRank::kConnection), mailbox_(std::move(mailbox)),
      on_sign_(Napi::Persistent(on_sign)), on_cancel_(Napi::Persistent(on_cancel)) {}

void Signer::Use(const std::shared_ptr<Signer> &signer, iotkit_tls_options *options) {
  options->sign_begin = OnBegin;
  options->sign_cancel = OnCancel;
  options->sign_free = OnFree;
  options->sign_ctx = new std::shared_ptr<Signer>(signer);
}

void Signer::Forget(const iotkit_tls_options &options) {
  delete static_cast<std::shared_ptr<Signer> *>(options.sign_ctx);
}

void Signer::AwaitEnd() {
  on_sign_.Reset();
  on_cancel_.Reset();
}

void Signer::Give(const Napi::CallbackInfo &info) {
  iotkit_tls_signature_t *signature = Pending::Get().Take(info[0].As<Napi::Number>().DoubleValue());
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  iotkit_tls_signature_give(signature, bytes.Data(), bytes.ByteLength());
}

void Signer::Fail(const Napi::CallbackInfo &info) {
  iotkit_tls_signature_t *signature = Pending::Get().Take(info[0].As<Napi::Number>().DoubleValue());
  iotkit_tls_signature_fail(signature, TextOf(info[1]).c_str());
}

void Signer::Deliver(Napi::Env env) {
  std::list<Request> requests;
  std::list<double> cancelled;
  bool ended;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    requests.swap(requests_);
    cancelled.swap(cancelled_);
    ended = ended_;
  }
  for (const Request &request : requests)
    Ask(env, request);
  for (double id : cancelled) {
    Napi::HandleScope scope(env);
    Invoke(on_cancel_, {Napi::Number::New(env, id)});
  }
  if (!ended) return;
  auto self = shared_from_this();
  AwaitEnd();
  Environment::Of(env)->Forget(this);
}

void Signer::Ask(Napi::Env env, const Request &request) {
  Napi::HandleScope scope(env);
  Invoke(on_sign_, {Napi::Number::New(env, request.id), Napi::Number::New(env, request.scheme),
                    CopyOf(env, request.data.data(), request.data.size()),
                    Napi::Number::New(env, request.message_bits),
                    CopyOf(env, request.message.data(), request.message.size())});
}

// ---- threads of handshakes ----

int Signer::OnBegin(void *self, const iotkit_tls_to_sign *what, iotkit_tls_signature_t *signature) {
  (*static_cast<std::shared_ptr<Signer> *>(self))->Begin(*what, signature);
  return 0;
}

void Signer::OnCancel(void *self, iotkit_tls_signature_t *signature) {
  (*static_cast<std::shared_ptr<Signer> *>(self))->Cancel(signature);
}

void Signer::OnFree(void *self) {
  auto *signer = static_cast<std::shared_ptr<Signer> *>(self);
  (*signer)->End();
  delete signer;
}

void Signer::Begin(const iotkit_tls_to_sign &what, iotkit_tls_signature_t *signature) {
  if (what.message == nullptr) {
    iotkit_tls_signature_fail(signature,
                              "the server asks for another digest than SHA-256, -384 or -512");
    return;
  }
  Request request = {0, what.scheme, what.message_bits, Bytes(what.data, what.len),
                     Bytes(what.message, what.message_len)};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    request.id = Pending::Get().Add(signature);
    requests_.push_back(std::move(request));
  }
  mailbox_->Post(shared_from_this());
}

void Signer::Cancel(iotkit_tls_signature_t *signature) {
  const double id = Pending::Get().Take(signature);
  if (id == 0) return;
  iotkit_tls_signature_fail(signature, nullptr);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t asked = requests_.size();
    requests_.remove_if([id](const Request &request) { return request.id == id; });
    if (requests_.size() == asked) cancelled_.push_back(id);
  }
  mailbox_->Post(shared_from_this());
}

void Signer::End() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  mailbox_->Post(shared_from_this());
}

} // namespace iotkit
