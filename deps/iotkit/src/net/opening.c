/*
 * opening.c - from a host's name to a connected socket.
 *
 * Stages: LOOKUP → CONNECT. Owns the lookup, the sockets still racing and, once there are two of
 * these, a poller whose descriptor stands for all of them. The first socket to connect leaves with
 * the caller; the others are closed.
 */
#include "net/opening.h"

#include <stdlib.h>

#include "base/endpoint.h"
#include "iotkit_mqtt.h"

#define HEAD_START_MS 250
/* Where a poller has no descriptor of its own: how long a socket that is not waited for may be
 * ready unnoticed. */
#define LOOK_AROUND_MS 50

struct attempt {
  int fd;
  size_t address;
};

struct ik_opening {
  const char *host;
  uint16_t port;
  bool is_literal;          /* `host` is an address: there is nothing to look up */
  struct ik_lookup *lookup; /* NULL: done */
  struct ik_address addresses[IK_ADDRESSES_MAX];
  size_t address_count;
  size_t next_address;
  struct attempt attempts[IK_ADDRESSES_MAX]; /* still undecided, in order of beginning */
  size_t attempt_count;
  struct ik_poller *poller; /* NULL: fewer than two attempts so far */
  uint64_t next_attempt_ms;
  uint64_t look_around_ms;
  int error; /* the last one; 0: none so far */
  size_t error_address;
  char reason[IOTKIT_DETAIL_MAX]; /* of that error */
};

int ik_opening_new(const char *host, uint16_t port, struct ik_opening **out, char *detail) {
  int rc = 0;
  *out = NULL;
  struct ik_opening *opening = calloc(1, sizeof *opening);
  if (opening == NULL) return IK_ENO_MEMORY;
  opening->host = host;
  opening->port = port;
  opening->is_literal = ik_address_parse(host, port, &opening->addresses[0]);
  if (opening->is_literal)
    opening->address_count = 1;
  else
    rc = ik_lookup_start(host, port, &opening->lookup);
  if (rc != 0) {
    ik_detail(detail, "%.200s: %s", host, iotkit_strerror(rc));
    free(opening);
    return rc;
  }
  *out = opening;
  return 0;
}

void ik_opening_free(struct ik_opening *opening) {
  if (opening == NULL) return;
  ik_lookup_free(opening->lookup);
  ik_poller_free(opening->poller);
  for (size_t i = 0; i < opening->attempt_count; i++)
    ik_tcp_close(opening->attempts[i].fd);
  free(opening);
}

static int finish_lookup(struct ik_opening *opening, uint64_t now_ms, char *detail) {
  int count = ik_lookup_result(opening->lookup, opening->addresses, IK_ADDRESSES_MAX, detail);
  if (count < 0) return count;
  ik_lookup_free(opening->lookup);
  opening->lookup = NULL;
  opening->address_count = (size_t)count;
  opening->next_attempt_ms = now_ms;
  return 0;
}

static void keep_error(struct ik_opening *opening, size_t address, int error, const char *reason) {
  opening->error = error;
  opening->error_address = address;
  ik_detail(opening->reason, "%s", reason);
}

/* Whom we wanted, and which of its addresses that was about where the name does not say so. */
static void describe_error(const struct ik_opening *opening, char *detail) {
  char text[IK_ADDRESS_TEXT_MAX];
  struct ik_endpoint wanted = ik_endpoint(opening->host, opening->port);
  ik_address_text(&opening->addresses[opening->error_address], text);
  if (opening->is_literal) {
    ik_detail(detail, "%s: %s", wanted.text, opening->reason);
  } else {
    ik_detail(detail, "%.120s (%s): %s", wanted.text, text, opening->reason);
  }
}

static int watch(struct ik_opening *opening, size_t attempt) {
  return ik_poller_set(opening->poller, opening->attempts[attempt].fd, IOTKIT_WRITE, NULL);
}

/* Without a poller the newest socket alone is waited for, and look_around_ms finds the others. */
static void watch_race(struct ik_opening *opening) {
  if (opening->attempt_count < 2) return;
  bool is_new = opening->poller == NULL;
  if (is_new && ik_poller_new(&opening->poller) != 0) return;
  size_t first = is_new ? 0 : opening->attempt_count - 1;
  for (size_t i = first; i < opening->attempt_count; i++) {
    if (watch(opening, i) == 0) continue;
    ik_poller_free(opening->poller);
    opening->poller = NULL;
    return;
  }
}

static void begin_attempt(struct ik_opening *opening, uint64_t now_ms) {
  char reason[IOTKIT_DETAIL_MAX] = "";
  size_t address = opening->next_address++;
  int fd;
  int rc = ik_tcp_connect(&opening->addresses[address], &fd, reason);
  if (rc != 0) {
    keep_error(opening, address, rc, reason);
    return;
  }
  opening->attempts[opening->attempt_count++] = (struct attempt){.fd = fd, .address = address};
  opening->next_attempt_ms = now_ms + HEAD_START_MS;
  watch_race(opening);
}

static void drop_attempt(struct ik_opening *opening, size_t i) {
  int fd = opening->attempts[i].fd;
  if (opening->poller != NULL) ik_poller_forget(opening->poller, fd);
  ik_tcp_close(fd);
  opening->attempt_count--;
  for (; i < opening->attempt_count; i++)
    opening->attempts[i] = opening->attempts[i + 1];
}

/* ≥ 0: a connected socket, taken out. One that failed lets the next address begin immediately. */
static int check_attempts(struct ik_opening *opening, uint64_t now_ms) {
  size_t i = 0;
  while (i < opening->attempt_count) {
    char reason[IOTKIT_DETAIL_MAX] = "";
    struct attempt attempt = opening->attempts[i];
    int rc = ik_tcp_connected(attempt.fd, reason);
    if (rc == IK_EAGAIN) {
      i++;
      continue;
    }
    if (rc == 0) {
      if (opening->poller != NULL) ik_poller_set(opening->poller, attempt.fd, 0, NULL);
      opening->attempts[i] = opening->attempts[--opening->attempt_count];
      return attempt.fd;
    }
    keep_error(opening, attempt.address, rc, reason);
    drop_attempt(opening, i);
    opening->next_attempt_ms = now_ms;
  }
  return IK_EAGAIN;
}

int ik_opening_step(struct ik_opening *opening, uint64_t now_ms, char *detail) {
  if (opening->lookup != NULL) {
    int rc = finish_lookup(opening, now_ms, detail);
    if (rc != 0) return rc;
  }
  int fd = check_attempts(opening, now_ms);
  if (fd >= 0) return fd;
  while (opening->next_address < opening->address_count &&
         (opening->attempt_count == 0 || now_ms >= opening->next_attempt_ms)) {
    size_t before = opening->attempt_count;
    begin_attempt(opening, now_ms);
    if (opening->attempt_count == before) continue;
    /* On loopback a socket is often connected by now. */
    fd = check_attempts(opening, now_ms);
    if (fd >= 0) return fd;
  }
  opening->look_around_ms = now_ms + LOOK_AROUND_MS;
  if (opening->attempt_count > 0) return IK_EAGAIN;
  describe_error(opening, detail);
  return opening->error;
}

int ik_opening_fd(const struct ik_opening *opening) {
  if (opening->lookup != NULL) return ik_lookup_fd(opening->lookup);
  if (opening->attempt_count == 0) return -1;
  int fd = opening->poller == NULL ? -1 : ik_poller_fd(opening->poller);
  return fd >= 0 ? fd : opening->attempts[opening->attempt_count - 1].fd;
}

int ik_opening_interest(const struct ik_opening *opening) {
  if (opening->lookup != NULL) return IOTKIT_READ;
  if (opening->attempt_count == 0) return 0;
  return opening->poller != NULL && ik_poller_fd(opening->poller) >= 0 ? IOTKIT_READ : IOTKIT_WRITE;
}

uint64_t ik_opening_deadline(const struct ik_opening *opening) {
  uint64_t deadline = UINT64_MAX;
  if (opening->lookup != NULL) return deadline;
  if (opening->next_address < opening->address_count) deadline = opening->next_attempt_ms;
  bool all_watched =
      opening->attempt_count < 2 || (opening->poller != NULL && ik_poller_fd(opening->poller) >= 0);
  if (!all_watched && opening->look_around_ms < deadline) deadline = opening->look_around_ms;
  return deadline;
}

void ik_opening_describe(const struct ik_opening *opening, char *detail) {
  char text[IK_ADDRESS_TEXT_MAX];
  size_t address = opening->error_address;
  if (opening->lookup != NULL) {
    ik_detail(detail, "its name is not resolved");
    return;
  }
  if (opening->error == 0 && opening->attempt_count == 0) return;
  if (opening->error == 0) address = opening->attempts[opening->attempt_count - 1].address;
  ik_address_text(&opening->addresses[address], text);
  ik_detail(detail, "%s%s%s", opening->is_literal ? "" : text, opening->is_literal ? "" : ": ",
            opening->error != 0 ? opening->reason : "no answer");
}
