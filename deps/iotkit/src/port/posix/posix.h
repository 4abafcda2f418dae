/*
 * posix.h - what the files of the POSIX port share.
 */
#ifndef IK_POSIX_H
#define IK_POSIX_H

#include "../port.h"

#if defined(__linux__) && !defined(IK_POLLER_POLL)
#define IK_POLLER_EPOLL 1
#endif

/* The text of an errno, in `out`; thread-safe, unlike strerror(). Returns `out`. */
#define IK_ERRNO_TEXT_MAX 96
const char *ik_posix_errno_text(int error, char out[IK_ERRNO_TEXT_MAX]);

int ik_posix_timeout(uint32_t timeout_ms);       /* as poll() and epoll_wait() take it */
short ik_posix_events(int interest);             /* IOTKIT_READ | IOTKIT_WRITE as poll() events */
int ik_posix_ready(int interest, short revents); /* and back */
int ik_posix_file_error(int error);              /* errno of a file operation as IK_E* */

#endif
