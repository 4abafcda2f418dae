/*
 * fake_stream.h - a transport in memory: the test is its other end. One connection at a time per
 * wire.
 */
#ifndef TEST_FAKE_STREAM_H
#define TEST_FAKE_STREAM_H

#include "net/transport.h"

struct fake_wire {
  struct ik_buf to_client;   /* what the client will read */
  struct ik_buf from_client; /* what the client has written on this connection */
  int dial_error;            /* what dial returns instead of a stream */
  int open_error;            /* what open returns; IK_EAGAIN: it goes on opening */
  int read_error;            /* what read returns when to_client is empty; 0: the end */
  int write_error;           /* what write returns; 0: it takes bytes */
  size_t write_room;         /* bytes write takes before IK_EAGAIN */
  size_t read_piece;         /* most bytes of one read; 0: any */
  unsigned dials;
  unsigned closes;
  bool finished;       /* the client has ended its sending side */
  bool connected;      /* between dial and close */
  struct ik_dial last; /* of the last dial; its texts are not kept */
};

void fake_wire_init(struct fake_wire *wire);
void fake_wire_free(struct fake_wire *wire);
/* An ik_dial_fn; ctx is the wire. */
int fake_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms, struct ik_transport **out,
              char *detail);
/* The broker says these bytes. */
void fake_say(struct fake_wire *wire, const void *data, size_t len);
/* Forgets what the client has written so far. */
void fake_forget(struct fake_wire *wire);

#endif
