#include "runtime/wrapped.h"

#include <vector>

namespace iotkit {

Napi::Function Wrapped::DefineClass(napi_env env, const char *name, Make make,
                                    std::initializer_list<Member> members) {
  std::vector<napi_property_descriptor> all;
  for (const auto &[member, method, getter] : members) {
    all.push_back({member, nullptr, method, getter, nullptr, nullptr, napi_default, nullptr});
  }
  napi_value constructor = nullptr;
  napi_define_class(env, name, NAPI_AUTO_LENGTH, Construct, reinterpret_cast<void *>(make),
                    all.size(), all.data(), &constructor);
  return Napi::Function(env, constructor);
}

// An object that stays without what it should wrap is of no use, but nobody gets it: see Environment::New.
napi_value Wrapped::Construct(napi_env env, napi_callback_info info) {
  Napi::CallbackInfo given(env, info);
  if (given.NewTarget().IsEmpty()) {
    napi_throw_type_error(env, nullptr, "a class is called with new");
    return nullptr;
  }
  Wrapped *self = reinterpret_cast<Make>(given.Data())(given);
  auto end = [](napi_env /*env*/, void *data, void * /*hint*/) {
    delete static_cast<Wrapped *>(data);
  };
  if (napi_wrap(env, given.This(), self, end, nullptr, nullptr) != napi_ok) delete self;
  return given.This();
}

Wrapped *Wrapped::Find(Napi::Object object) {
  void *found = nullptr;
  if (object.IsEmpty() || napi_unwrap(object.Env(), object, &found) != napi_ok) return nullptr;
  return static_cast<Wrapped *>(found);
}

napi_value Wrapped::Call(napi_env env, napi_callback_info info, Method method) {
  Napi::CallbackInfo given(env, info);
  void *self = nullptr;
  if (napi_unwrap(env, given.This(), &self) != napi_ok) return nullptr;
  return method(static_cast<Wrapped *>(self), given);
}

} // namespace iotkit
