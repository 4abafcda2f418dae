// cxx-runtime.cc - the few names of the C++ library whose own sources would bring much else: memory, and how a program
// ends that would throw. Only addons of a release are linked with it; native/runtime/terminate.cc does the same where
// libstdc++ is linked in.
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

// Never a null pointer, as the standard asks: an addon that gets no memory ends the process.
void *Allocate(std::size_t size) {
  void *memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

} // namespace

void *operator new(std::size_t size) {
  return Allocate(size);
}
void *operator new[](std::size_t size) {
  return Allocate(size);
}
void *operator new(std::size_t size, const std::nothrow_t & /*tag*/) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void *operator new[](std::size_t size, const std::nothrow_t & /*tag*/) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void *memory) noexcept {
  std::free(memory);
}
void operator delete[](void *memory) noexcept {
  std::free(memory);
}
void operator delete(void *memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
void operator delete[](void *memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace std {

const nothrow_t nothrow{};

inline namespace _LIBCPP_ABI_NAMESPACE {

void __throw_system_error(int /*error*/, const char * /*what*/) {
  abort();
}

void __libcpp_verbose_abort(const char * /*format*/, ...) {
  abort();
}

} // namespace _LIBCPP_ABI_NAMESPACE
} // namespace std
