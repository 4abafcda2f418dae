/* Tested by deps/iotkit/test/download/test_options_environment.c. */
/*
 * tls_places.c - what the environment says about TLS, read in the thread that sets the options: in
 * any other, getenv() could meet a setenv() of the program's. No state.
 */
#include <stdlib.h>

#if defined(__linux__)
#include <sys/auxv.h>
#else
#include <unistd.h>
#endif

#include "port/openssl/openssl.h"
#include "port/port.h"

/* As OpenSSL reads them: whoever starts a set-user-ID program does not say whom it trusts. */
static bool is_privileged(void) {
#if defined(__linux__)
  return getauxval(AT_SECURE) != 0;
#else
  return geteuid() != getuid() || getegid() != getgid();
#endif
}

int ik_tls_places_read(struct ik_tls_places *out) {
  *out = (struct ik_tls_places){NULL, NULL};
  /* Found here for the first time, OpenSSL reads what it wants of the environment here, too. */
  (void)ik_openssl();
  if (is_privileged()) return 0;
  int rc = ik_port_environment("SSL_CERT_FILE", &out->file);
  if (rc == 0) rc = ik_port_environment("SSL_CERT_DIR", &out->directory);
  if (rc != 0) ik_tls_places_free(out);
  return rc;
}

void ik_tls_places_free(struct ik_tls_places *places) {
  free(places->file);
  free(places->directory);
  *places = (struct ik_tls_places){NULL, NULL};
}
