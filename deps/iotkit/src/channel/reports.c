/* Tested by deps/iotkit/test/channel/test_ota.c and test_gateway_ota.c. */
/*
 * reports.c - composes reports, and holds back those of a sub-device.
 */
#include "channel/reports.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define PAYLOAD_MAX (8 * IK_KIB) /* a desc of nothing but escapes, and the fields around it */
#define REPORTS_MAX 64           /* modules of a sub-device */

struct ik_report {
  struct ik_report *next;
  bool waits;
  const char *module; /* in `version`, after its NUL */
  char version[];
};

/* ---- messages ---- */

int ik_report_version(struct ik_line *line, struct ik_carrier *carrier, enum ik_ota_topic topic,
                      const char *version, const char *module, uint8_t qos) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_inform(&payload, ik_line_next_id(line), version, module);
  if (rc == 0) rc = ik_line_publish(line, carrier, topic, &payload, qos);
  ik_buf_free(&payload);
  return rc;
}

int ik_report_progress(struct ik_line *line, struct ik_carrier *carrier, int step, const char *desc,
                       const char *module) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_progress(&payload, ik_line_next_id(line), step, desc, module);
  if (rc == 0) rc = ik_line_publish(line, carrier, IK_OTA_PROGRESS, &payload, 0);
  ik_buf_free(&payload);
  return rc;
}

int ik_report_get(const struct ik_line *line, struct ik_carrier *carrier, uint32_t id,
                  const char *module) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_get(&payload, id, module);
  if (rc == 0) rc = ik_line_publish(line, carrier, IK_OTA_GET, &payload, 0);
  ik_buf_free(&payload);
  return rc;
}

/* ---- held back ---- */

static struct ik_report *new_report(const char *version, const char *module) {
  const size_t version_size = strlen(version) + 1;
  const size_t module_size = strlen(module) + 1;
  struct ik_report *report = malloc(sizeof(*report) + version_size + module_size);
  if (report == NULL) return NULL;
  report->waits = true;
  memcpy(report->version, version, version_size);
  report->module = memcpy(report->version + version_size, module, module_size);
  return report;
}

int ik_reports_hold(struct ik_reports *reports, struct ik_line *line, const char *version,
                    const char *module) {
  size_t count = 0;
  struct ik_report *report = new_report(version, module);
  if (report == NULL) return IK_ENO_MEMORY;
  ik_mutex_lock(line->mutex);
  struct ik_report **at = &reports->first;
  for (; *at != NULL && strcmp((*at)->module, report->module) != 0; at = &(*at)->next)
    count++;
  struct ik_report *old = *at;
  const bool full = old == NULL && count >= REPORTS_MAX;
  if (!full) {
    report->next = old != NULL ? old->next : NULL;
    *at = report;
  }
  ik_mutex_unlock(line->mutex);
  free(full ? report : old);
  return full ? IK_EQUEUE_FULL : 0;
}

/* With the mutex held: on the thread that steps, where publishing only queues. */
static int send(struct ik_report *report, struct ik_line *line, struct ik_carrier *carrier,
                uint8_t qos) {
  int rc = ik_report_version(line, carrier, IK_OTA_INFORM, report->version, report->module, qos);
  if (rc < 0) return rc;
  report->waits = false;
  return 1;
}

int ik_reports_send(struct ik_reports *reports, struct ik_line *line, struct ik_carrier *carrier,
                    uint8_t qos) {
  ik_mutex_lock(line->mutex);
  struct ik_report *report = reports->first;
  while (report != NULL && !report->waits)
    report = report->next;
  int rc = report != NULL ? send(report, line, carrier, qos) : 0;
  ik_mutex_unlock(line->mutex);
  return rc;
}

void ik_reports_repeat(struct ik_reports *reports, struct ik_line *line) {
  ik_mutex_lock(line->mutex);
  for (struct ik_report *report = reports->first; report != NULL; report = report->next)
    report->waits = true;
  ik_mutex_unlock(line->mutex);
}

void ik_reports_free(struct ik_reports *reports) {
  while (reports->first != NULL) {
    struct ik_report *report = reports->first;
    reports->first = report->next;
    free(report);
  }
}
