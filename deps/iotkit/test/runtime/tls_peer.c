/*
 * tls_peer.c - a TLS echo server for programs that must not have OpenSSL linked: prints its port
 * and its CA (PEM), then serves until its standard input ends.
 */
#include <stdio.h>
#include <unistd.h>

#include "support/certs.h"
#include "support/tls_server.h"

int main(void) {
  char byte;
  struct test_ca *ca = test_ca_new("peer CA");
  struct test_cert cert = test_ca_issue(ca, "IP:127.0.0.1", -3600, 3600);
  struct tls_server_options options = {.cert = cert.cert, .key = cert.key, .mode = TLS_SERVER_ECHO};
  struct tls_server *server = tls_server_start(&options);
  printf("%u\n%s", tls_server_port(server), test_ca_pem(ca));
  fclose(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0) {}
  tls_server_stop(server);
  test_cert_free(&cert);
  test_ca_free(ca);
  return 0;
}
