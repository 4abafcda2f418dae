/*
 * drive.h - a transport as a blocking stream: calls it, then waits as its fd, interest and deadline
 * say, TEST_LIMIT_MS at most.
 */
#ifndef TEST_DRIVE_H
#define TEST_DRIVE_H

#include "net/transport.h"

/* Waits once. False: TEST_LIMIT_MS passed with nothing. */
bool drive_wait(struct ik_transport *transport, int want);
/* open() until it is decided. */
int drive_open(struct ik_transport *transport, char *detail);
/* One read() or write() that does not say IK_EAGAIN; IK_ETIMEOUT after TEST_LIMIT_MS. */
ptrdiff_t drive_read(struct ik_transport *transport, void *buf, size_t len, char *detail);
ptrdiff_t drive_write(struct ik_transport *transport, const void *data, size_t len, char *detail);
/* All of it: 0, or what ended it (IK_ECONNECTION_CLOSED for an orderly end). */
int drive_read_all(struct ik_transport *transport, void *buf, size_t len, char *detail);
int drive_write_all(struct ik_transport *transport, const void *data, size_t len, char *detail);

#endif
