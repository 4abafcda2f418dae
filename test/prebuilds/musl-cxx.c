/*
 * musl-cxx.c - what gcc's C++ library would ask of glibc, and its ends: whatever would throw aborts. For musl-cxx.sh.
 */
#include <stdlib.h>
#include <sys/auxv.h>

#define ENDS(name)                                                                                 \
  __attribute__((noreturn)) void name(void) {                                                      \
    abort();                                                                                       \
  }

ENDS(_ZSt17__throw_bad_allocv)
ENDS(_ZSt19__throw_logic_errorPKc)
ENDS(_ZSt20__throw_length_errorPKc)
ENDS(_ZSt20__throw_system_errori)
ENDS(_ZSt24__throw_out_of_range_fmtPKcz)
ENDS(_ZSt25__throw_bad_function_callv)
ENDS(_ZSt28__throw_bad_array_new_lengthv)
ENDS(_ZSt21__glibcxx_assert_failPKciS0_S0_)
ENDS(_ZSt9terminatev)
ENDS(__cxa_bad_typeid)
ENDS(__cxa_pure_virtual)
ENDS(__cxa_throw_bad_array_new_length)

void *_ZSt13set_terminatePFvvE(void *handler) {
  return handler;
}

void *_ZSt15get_new_handlerv(void) {
  return NULL;
}

char *__cxa_demangle(const char *name, char *out, size_t *len, int *status) {
  (void)name;
  (void)out;
  (void)len;
  if (status) *status = -2;
  return NULL;
}

char __libc_single_threaded = 0;

int _dl_find_object(void *address, void *result) {
  (void)address;
  (void)result;
  return -1;
}

unsigned long __getauxval(unsigned long type) {
  return getauxval(type);
}
