# Each function of libc that the library calls is in calls.def, or here because no scenario depends on its failing.
#   cmake -DNM=nm -DLIBRARY=libiotkit.so -DCALLS=calls.def -P complete.cmake
cmake_minimum_required(VERSION 3.18)
set(harmless
  # memory and text; what belongs to a call that is struck; what is tried and nothing follows from it
  memchr memcmp memcpy memmove memset strchr strcmp strcspn strlen strncmp strnlen strpbrk strrchr strstr strtoul
  strerror_r snprintf vsnprintf vprintf fprintf fflush stderr stdout htons bcmp qsort bsearch strcasecmp strncasecmp
  vfprintf fputs fputc fwrite putc putchar puts getauxval inet_ntop inet_pton gai_strerror freeaddrinfo fclose getline
  ioctl setsockopt umask if_nametoindex
  # clocks, identities, locks: those of a thread of this process do not fail
  clock_gettime time gmtime_r strftime nanosleep getenv getegid geteuid getpid pthread_self pthread_setname_np
  pthread_sigmask pthread_join pthread_attr_destroy pthread_attr_init pthread_attr_setdetachstate
  pthread_attr_setstacksize pthread_cond_broadcast pthread_cond_destroy pthread_cond_init pthread_cond_timedwait
  pthread_cond_wait pthread_condattr_destroy pthread_condattr_init pthread_condattr_setclock pthread_mutex_destroy
  pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock pthread_once sigdelset sigfillset
  # OpenSSL found at run time: test/runtime
  dlopen dlclose dlsym dladdr dlerror dl_iterate_phdr access)

file(STRINGS "${CALLS}" rows REGEX "^X\\(")
set(known ${harmless})
foreach(row IN LISTS rows)
  string(REGEX REPLACE "^X\\(([a-z0-9_]+),.*" "\\1" call "${row}")
  list(APPEND known "${call}")
endforeach()

execute_process(COMMAND "${NM}" --dynamic --undefined-only "${LIBRARY}" OUTPUT_VARIABLE text RESULT_VARIABLE rc)
string(REGEX MATCHALL "[ \n][a-z][a-z0-9_]*@+GLIBC" used "${text}")
if(NOT rc EQUAL 0 OR NOT used)
  message(FATAL_ERROR "nothing is known of what ${LIBRARY} calls")
endif()
set(missing "")
foreach(name IN LISTS used)
  string(REGEX REPLACE "[ \n]([a-z0-9_]+)@.*" "\\1" name "${name}")
  if(NOT name IN_LIST known)
    list(APPEND missing "${name}")
  endif()
endforeach()
if(missing)
  message(FATAL_ERROR "not in calls.def, and not said to be harmless in complete.cmake: ${missing}")
endif()
