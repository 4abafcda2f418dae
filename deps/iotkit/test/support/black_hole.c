#include "black_hole.h"

#include <sys/socket.h>
#include <unistd.h>

#include "port/port.h"
#include "tcp_peer.h"

bool black_hole_open(struct black_hole *hole) {
  struct ik_address address;
  hole->count = 0;
  hole->listener = peer_listen(4, &hole->port);
  if (hole->listener < 0 || listen(hole->listener, 0) != 0) return false;
  ik_address_parse("127.0.0.1", hole->port, &address);
  while (hole->count < sizeof hole->fillers / sizeof hole->fillers[0]) {
    int fd;
    if (ik_tcp_connect(&address, &fd, NULL) != 0) return false;
    hole->fillers[hole->count++] = fd;
    if (ik_tcp_connected(fd, NULL) == IK_EAGAIN) return true;
  }
  return false;
}

void black_hole_close(struct black_hole *hole) {
  for (size_t i = 0; i < hole->count; i++)
    ik_tcp_close(hole->fillers[i]);
  if (hole->listener >= 0) close(hole->listener);
}
