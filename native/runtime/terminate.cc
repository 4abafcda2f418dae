// terminate.cc - no C++ exceptions: nothing in native/ throws, nothing unwinds its frames, and a
// failing `new` ends the process.
//
// libstdc++ is linked in, and what it would need for exceptions (unwinder, personality, a handler
// that prints names with a demangler) would be a quarter of the addon. So its functions that throw
// are replaced here by some that abort. These are weak: where the linker takes libstdc++'s own for
// another reason, that one is used.
#include <cstdlib>

// NOLINTBEGIN(bugprone-reserved-identifier, cert-dcl*)

namespace __gnu_cxx {
void __verbose_terminate_handler();
void __verbose_terminate_handler() {
  abort();
}
} // namespace __gnu_cxx

#ifdef __GLIBCXX__

#define ENDS_HERE(declaration)                                                                     \
  __attribute__((weak)) declaration;                                                               \
  declaration {                                                                                    \
    abort();                                                                                       \
  }

extern "C" {
ENDS_HERE(void __gxx_personality_v0())
ENDS_HERE(void _Unwind_Resume())
ENDS_HERE(void __cxa_allocate_exception())
ENDS_HERE(void __cxa_free_exception())
ENDS_HERE(void __cxa_throw())
ENDS_HERE(void __cxa_rethrow())
ENDS_HERE(void __cxa_begin_catch())
ENDS_HERE(void __cxa_end_catch())
}

namespace std {
ENDS_HERE(void __throw_bad_alloc())
ENDS_HERE(void __throw_bad_array_new_length())
ENDS_HERE(void __throw_bad_function_call())
ENDS_HERE(void __throw_bad_weak_ptr())
ENDS_HERE(void __throw_length_error(const char * /*what*/))
ENDS_HERE(void __throw_logic_error(const char * /*what*/))
ENDS_HERE(void __throw_out_of_range_fmt(const char * /*what*/, ...))
ENDS_HERE(void __throw_system_error(int /*error*/))
} // namespace std

#endif

// NOLINTEND(bugprone-reserved-identifier, cert-dcl*)
