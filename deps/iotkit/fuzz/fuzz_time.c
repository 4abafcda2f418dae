/*
 * Answers of the platform's clock: whatever comes, what is accepted gives a reading whose numbers fit
 * together. The first bytes are the device's clocks.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/time.h"
#include "base/json.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)
#define CLOCKS (3 * sizeof(uint32_t))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ik_time_exchange clocks_of(const uint8_t *data) {
  uint32_t clocks[3];
  memcpy(clocks, data, sizeof(clocks));
  return (struct ik_time_exchange){.sent_ms = clocks[0],
                                   .received_ms = (uint64_t)clocks[0] + clocks[1],
                                   .wall_ms = (uint64_t)clocks[2] * 1000};
}

static void check_detail(const char *detail) {
  CHECK(memchr(detail, '\0', IOTKIT_DETAIL_MAX) != NULL);
  CHECK(ik_utf8_valid((const uint8_t *)detail, strlen(detail)));
}

static void check_reading(const struct ik_time_answer *answer,
                          const struct ik_time_exchange *exchange) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct iotkit_time_reading reading;
  CHECK(answer->server_recv > 0 && answer->server_recv <= answer->server_send);
  const int rc = ik_time_read(answer, exchange, &reading, detail);
  check_detail(detail);
  if (rc != 0) return;
  CHECK(reading.at_ms == exchange->received_ms && reading.uncertainty_ms > 0);
  CHECK(reading.time_ms >= answer->server_send);
  CHECK(reading.time_ms - answer->server_send <= reading.uncertainty_ms);
  CHECK((int64_t)exchange->wall_ms + reading.offset_ms == (int64_t)reading.time_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_time_answer answer;
  if (size < CLOCKS) return 0;
  const struct ik_time_exchange exchange = clocks_of(data);
  size -= CLOCKS;
  char *text = malloc(size + 1);
  CHECK(text != NULL);
  memcpy(text, data + CLOCKS, size);
  const int rc = ik_time_parse((struct ik_str){text, size}, &answer, detail);
  free(text);
  CHECK(rc <= 0);
  check_detail(detail);
  if (rc == 0) check_reading(&answer, &exchange);
  return 0;
}
