/*
 * reports.h - what a device tells and asks of itself, and the versions that a sub-device reports after
 * each login.
 */
#ifndef IK_CHANNEL_REPORTS_H
#define IK_CHANNEL_REPORTS_H

#include "channel/line.h"

/*
 * Each composes one message and publishes it, within a use; the errors of the writer, and of
 * ik_line_publish(). `module` NULL or "": the default one. Any thread.
 */
int ik_report_version(struct ik_line *line, struct ik_carrier *carrier, enum ik_ota_topic topic,
                      const char *version, const char *module, uint8_t qos);
int ik_report_progress(struct ik_line *line, struct ik_carrier *carrier, int step, const char *desc,
                       const char *module);
int ik_report_get(const struct ik_line *line, struct ik_carrier *carrier, uint32_t id,
                  const char *module);

/* One version a module. Guarded by the line's mutex, which these functions take; zeroed: empty. */
struct ik_reports {
  struct ik_report *first;
};
/* Waits from now on, in place of the same module's. IK_ENO_MEMORY; IK_EQUEUE_FULL: too many modules. */
int ik_reports_hold(struct ik_reports *reports, struct ik_line *line, const char *version,
                    const char *module);
/* Publishes one that waits. 1: it is sent; 0: none waits; else it waits on. Inside a step. */
int ik_reports_send(struct ik_reports *reports, struct ik_line *line, struct ik_carrier *carrier,
                    uint8_t qos);
/* All of them wait again. */
void ik_reports_repeat(struct ik_reports *reports, struct ik_line *line);
/* Nobody uses them any more. */
void ik_reports_free(struct ik_reports *reports);

#endif
