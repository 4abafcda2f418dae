#include "drive.h"

#include "iotkit_mqtt.h"
#include "tcp_peer.h"

bool drive_wait(struct ik_transport *transport, int want) {
  int interest = transport->ops->interest(transport, want);
  uint64_t now = ik_port_now_ms();
  uint64_t deadline = transport->ops->deadline(transport);
  uint64_t wait = deadline > now ? deadline - now : 0;
  if ((interest & IK_PENDING) || wait == 0) return true;
  struct ik_pollfd fd = {.fd = transport->ops->fd(transport), .interest = interest};
  int ready = ik_port_poll(&fd, 1, wait < TEST_LIMIT_MS ? (uint32_t)wait : TEST_LIMIT_MS);
  return ready > 0 || wait < TEST_LIMIT_MS;
}

int drive_open(struct ik_transport *transport, char *detail) {
  for (;;) {
    int rc = transport->ops->open(transport, ik_port_now_ms(), detail);
    if (rc != IK_EAGAIN) return rc;
    if (!drive_wait(transport, 0)) return IK_ETIMEOUT;
  }
}

ptrdiff_t drive_read(struct ik_transport *transport, void *buf, size_t len, char *detail) {
  for (;;) {
    ptrdiff_t n = transport->ops->read(transport, buf, len, detail);
    if (n != IK_EAGAIN) return n;
    if (!drive_wait(transport, IOTKIT_READ)) return IK_ETIMEOUT;
  }
}

ptrdiff_t drive_write(struct ik_transport *transport, const void *data, size_t len, char *detail) {
  for (;;) {
    ptrdiff_t n = transport->ops->write(transport, data, len, detail);
    if (n != IK_EAGAIN) return n;
    if (!drive_wait(transport, IOTKIT_WRITE)) return IK_ETIMEOUT;
  }
}

int drive_read_all(struct ik_transport *transport, void *buf, size_t len, char *detail) {
  uint8_t *to = buf;
  size_t done = 0;
  while (done < len) {
    ptrdiff_t n = drive_read(transport, to + done, len - done, detail);
    if (n <= 0) return n == 0 ? IK_ECONNECTION_CLOSED : (int)n;
    done += (size_t)n;
  }
  return 0;
}

int drive_write_all(struct ik_transport *transport, const void *data, size_t len, char *detail) {
  const uint8_t *from = data;
  size_t done = 0;
  while (done < len) {
    ptrdiff_t n = drive_write(transport, from + done, len - done, detail);
    if (n < 0) return (int)n;
    done += (size_t)n;
  }
  return 0;
}
