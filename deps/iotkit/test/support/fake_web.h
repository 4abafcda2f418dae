/*
 * fake_web.h - HTTP servers in memory, any number of connections at a time: what a job dials
 * instead of the network. A test says what is answered; a seed decides how its bytes are split.
 */
#ifndef TEST_FAKE_WEB_H
#define TEST_FAKE_WEB_H

#include <stdatomic.h>

#include "iotkit_ota.h"
#include "net/transport.h"
#include "support/rng.h"

/* One request as it came. */
struct fake_request {
  unsigned index;      /* 0, 1 … over all connections */
  unsigned connection; /* 0, 1 … */
  bool has_range;
  uint64_t from; /* of the range; else 0 */
  uint64_t end;  /* after the last byte; open or none: the size of the image */
  bool is_open;  /* "from-", or no range at all */
  char if_range[300];
  char text[4096];
};

/* The answer to it. All zero but a head: nothing but the head. */
struct fake_answer {
  char head[600]; /* with its empty line */
  const uint8_t *body;
  uint64_t len;
  uint64_t cut;   /* the connection goes after so many bytes of the body; 0: it does not */
  bool reset;     /* … by a reset, not orderly */
  uint64_t stall; /* nothing comes any more after so many; 0: all comes */
  bool close;     /* closed in order after the answer */
};

struct fake_web;
typedef void (*fake_answer_fn)(struct fake_web *web, const struct fake_request *request,
                               struct fake_answer *answer);

struct fake_web {
  const uint8_t *image;
  uint64_t size;
  const char *tag; /* entity tag with its quotes; NULL: none */
  fake_answer_fn answer;
  void *ctx;
  struct rng rng;
  size_t read_most;     /* bytes of one read; 0: any */
  unsigned busy_one_in; /* one call in so many has to come again; 0: none */
  int dial_error;       /* what dialling gives; 0: a connection */
  unsigned requests;
  unsigned connections;
  atomic_uint open;  /* now; an abort closes connections on another thread */
  unsigned open_max; /* at once */
  uint64_t sent;     /* bytes of bodies */
  /* The last dial. */
  char host[IK_HOST_MAX + 1];
  bool proxied;
  struct ik_proxy proxy;
};

/* An ik_dial_fn; ctx is the web. */
int fake_web_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms, struct ik_transport **out,
                  char *detail);
/* A good answer: the range, with If-Range honoured, or all. */
void fake_web_serve(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer);
/* A head alone: "503 Busy", with more fields or "". */
void fake_web_status(struct fake_answer *answer, const char *status, const char *fields);

/* A job for the web's image at http://h.example/f?k=secret. */
iotkit_job_t *fake_web_job(struct fake_web *web, const struct iotkit_fetch_options *options);
/*
 * Fetches to the end, `chunk` bytes a call; the bytes land at their offsets. The job's error, or 0
 * when it is FETCHED.
 */
int fake_web_fetch(iotkit_job_t *job, uint8_t *image, uint64_t size, size_t chunk);

#endif
