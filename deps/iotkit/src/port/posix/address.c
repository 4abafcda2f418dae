/*
 * address.c - between socket addresses, literals and struct ik_address. No state.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "port/posix/address.h"

#define SCOPE_TEXT_MAX 64

/* The part after '%': an interface's name, or its number. */
static bool parse_scope(const char *text, uint32_t *out) {
  *out = if_nametoindex(text);
  if (*out != 0) return true;
  uint64_t number;
  if (!ik_str_u64(ik_str(text), &number) || number == 0 || number > UINT32_MAX) return false;
  *out = (uint32_t)number;
  return true;
}

static bool parse_ipv6(const char *host, struct ik_address *out) {
  char text[INET6_ADDRSTRLEN];
  const char *percent = strchr(host, '%');
  size_t len = percent == NULL ? strlen(host) : (size_t)(percent - host);
  if (len >= sizeof text) return false;
  memcpy(text, host, len);
  text[len] = '\0';
  if (inet_pton(AF_INET6, text, out->bytes) != 1) return false;
  if (percent != NULL && !parse_scope(percent + 1, &out->scope)) return false;
  out->family = 6;
  return true;
}

bool ik_address_parse(const char *host, uint16_t port, struct ik_address *out) {
  struct ik_address address = {.port = port};
  if (inet_pton(AF_INET, host, address.bytes) == 1)
    address.family = 4;
  else if (!parse_ipv6(host, &address))
    return false;
  *out = address;
  return true;
}

void ik_address_text(const struct ik_address *address, char out[IK_ADDRESS_TEXT_MAX]) {
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, text, sizeof text) ==
      NULL)
    text[0] = '\0';
  if (address->family == 4)
    snprintf(out, IK_ADDRESS_TEXT_MAX, "%s:%u", text, address->port);
  else if (address->scope != 0)
    snprintf(out, IK_ADDRESS_TEXT_MAX, "[%s%%%u]:%u", text, address->scope, address->port);
  else
    snprintf(out, IK_ADDRESS_TEXT_MAX, "[%s]:%u", text, address->port);
}

socklen_t ik_posix_sockaddr(const struct ik_address *address, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (address->family == 4) {
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    memcpy(&in->sin_addr, address->bytes, 4);
    return sizeof *in;
  }
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
  in6->sin6_family = AF_INET6;
  in6->sin6_port = htons(address->port);
  in6->sin6_scope_id = address->scope;
  memcpy(&in6->sin6_addr, address->bytes, 16);
  return sizeof *in6;
}

bool ik_posix_address(const struct sockaddr *from, uint16_t port, struct ik_address *out) {
  *out = (struct ik_address){.port = port};
  if (from->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
    out->family = 4;
    memcpy(out->bytes, &in->sin_addr, 4);
    return true;
  }
  if (from->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
    out->family = 6;
    out->scope = in6->sin6_scope_id;
    memcpy(out->bytes, &in6->sin6_addr, 16);
    return true;
  }
  return false;
}
