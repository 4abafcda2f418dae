// signatures.h - signatures that functions of JavaScript are asked for.
#ifndef IOTKIT_NATIVE_TRUST_SIGNATURES_H
#define IOTKIT_NATIVE_TRUST_SIGNATURES_H

#include <iotkit.h>
#include <napi.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/closing.h"
#include "runtime/mailbox.h"

namespace iotkit {

// The functions of one TLS context. Begin and Cancel run on the thread of a handshake, which waits for the
// answer there; Deliver on the JS thread. Belongs to its environment and to the context, by
// iotkit_tls_options.sign_ctx: whichever ends first releases the functions, on the JS thread.
class Signer final : public Source, public Closing {
 public:
  // on_sign(id, scheme, data, messageBits, message), on_cancel(id)
  Signer(std::shared_ptr<Mailbox> mailbox, Napi::Function on_sign, Napi::Function on_cancel);

  // Sets what `options` say of signing, and has `signer` live as long as the context that is made of them. Forget:
  // none was made.
  static void Use(const std::shared_ptr<Signer> &signer, iotkit_tls_options *options);
  static void Forget(const iotkit_tls_options &options);

  void Interrupt() override {}
  void AwaitEnd() override;

  // giveSignature(id, bytes), failSignature(id, reason): once for each that was asked for; later ones change nothing.
  static void Give(const Napi::CallbackInfo &info);
  static void Fail(const Napi::CallbackInfo &info);

 private:
  struct Request {
    double id;
    int scheme;
    unsigned message_bits;
    std::string data;
    std::string message;
  };

  static int OnBegin(void *self, const iotkit_tls_to_sign *what, iotkit_tls_signature_t *signature);
  static void OnCancel(void *self, iotkit_tls_signature_t *signature);
  static void OnFree(void *self);
  void Begin(const iotkit_tls_to_sign &what, iotkit_tls_signature_t *signature);
  void Cancel(iotkit_tls_signature_t *signature);
  void End();
  void Deliver(Napi::Env env) override;
  void Ask(Napi::Env env, const Request &request);

  const std::shared_ptr<Mailbox> mailbox_;
  Napi::FunctionReference on_sign_; // JS thread
  Napi::FunctionReference on_cancel_;
  std::mutex mutex_; // of what follows
  std::list<Request> requests_;
  std::list<double> cancelled_;
  bool ended_ = false; // the context has
};

} // namespace iotkit

#endif
