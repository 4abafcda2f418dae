/*
 * address.h - struct ik_address as the system's socket addresses.
 */
#ifndef IK_POSIX_ADDRESS_H
#define IK_POSIX_ADDRESS_H

#include <sys/socket.h>

#include "port/port.h"

/* Returns the length of what it wrote. */
socklen_t ik_posix_sockaddr(const struct ik_address *address, struct sockaddr_storage *out);
/* False: neither IPv4 nor IPv6. */
bool ik_posix_address(const struct sockaddr *from, uint16_t port, struct ik_address *out);

#endif
