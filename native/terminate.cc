// terminate.cc - what happens to a C++ exception: nothing here throws but a failing `new`, and that
// ends the process.
#include <cstdlib>

// libstdc++'s own handler prints the exception's name, for which it brings a demangler, a fifth of
// the addon's size.
namespace __gnu_cxx {
// NOLINTNEXTLINE(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp)
void __verbose_terminate_handler();
void __verbose_terminate_handler() {
  abort();
}
} // namespace __gnu_cxx
