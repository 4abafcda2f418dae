// wrapped.h - objects of C++ that are objects of JavaScript.
//
// It does for the classes of this addon what Napi::ObjectWrap does for any. Of that the compiler makes most anew for
// each class and each method, two kilobytes a class; here only what depends on them.
#ifndef IOTKIT_NATIVE_RUNTIME_WRAPPED_H
#define IOTKIT_NATIVE_RUNTIME_WRAPPED_H

#include <napi.h>

#include <initializer_list>
#include <type_traits>

namespace iotkit {

// JS thread only. Belongs to its JavaScript object, which deletes it when it is collected, at the latest with the
// environment.
class Wrapped {
 public:
  Wrapped(const Wrapped &) = delete;
  Wrapped &operator=(const Wrapped &) = delete;
  virtual ~Wrapped() = default;

 protected:
  struct Member {
    const char *name;
    napi_callback method; // nullptr: it is a property, which getter returns
    napi_callback getter;
  };
  using Make = Wrapped *(*)(const Napi::CallbackInfo &info);
  using Method = Napi::Value (*)(Wrapped *self, const Napi::CallbackInfo &info);

  Wrapped() = default;

  static Napi::Function DefineClass(napi_env env, const char *name, Make make,
                                    std::initializer_list<Member> members);
  // What `object` wraps; nullptr: nothing.
  static Wrapped *Find(Napi::Object object);
  static napi_value Call(napi_env env, napi_callback_info info, Method method);

 private:
  static napi_value Construct(napi_env env, napi_callback_info info);
};

// What function(arguments) returns; empty, which is undefined in JavaScript, if that is nothing.
template <typename Function, typename... Arguments>
Napi::Value ValueOf(Function function, Arguments &&...arguments) {
  if constexpr (std::is_void_v<decltype(function(arguments...))>) {
    function(arguments...);
    return Napi::Value();
  } else {
    return function(arguments...);
  }
}

// A property of an object that is the function.
template <auto function>
napi_property_descriptor FunctionNamed(const char *name) {
  auto called = [](napi_env env, napi_callback_info info) -> napi_value {
    Napi::CallbackInfo given(env, info);
    return ValueOf(function, given);
  };
  return {name, nullptr, called, nullptr, nullptr, nullptr, napi_default_jsproperty, nullptr};
}

// The base of a class T, whose objects are made by Environment::New with T(info). Node-API calls a method with
// objects of its class alone.
template <typename T>
class ObjectWrap : public Wrapped {
 public:
  static T *Unwrap(Napi::Object object) { return static_cast<T *>(Find(object)); }

 protected:
  static Napi::Function DefineClass(Napi::Env env, const char *name,
                                    std::initializer_list<Member> members) {
    auto make = [](const Napi::CallbackInfo &info) -> Wrapped * { return new T(info); };
    return Wrapped::DefineClass(env, name, make, members);
  }

  template <auto method>
  static Member InstanceMethod(const char *name) {
    return {name, Called<method>, nullptr};
  }
  template <auto getter>
  static Member InstanceAccessor(const char *name) {
    return {name, nullptr, Called<getter>};
  }

 private:
  template <auto method>
  static napi_value Called(napi_env env, napi_callback_info info) {
    return Call(env, info, [](Wrapped *self, const Napi::CallbackInfo &given) {
      return ValueOf([&] { return (static_cast<T *>(self)->*method)(given); });
    });
  }
};

} // namespace iotkit

#endif
