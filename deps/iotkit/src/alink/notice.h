/*
 * notice.h - the reader of upgrade notices, which is strict: of what the platform pushes on
 * ota/device/upgrade and answers on firmware/get.
 */
#ifndef IK_ALINK_NOTICE_H
#define IK_ALINK_NOTICE_H

#include "alink/announcement.h"
#include "base/buf.h"

/*
 * Reads one. Fills `out` up to the first error also when it fails (id and module come first, so
 * that a refusal can name them); the caller frees it with ik_announcement_free in every case.
 * Errors, with `detail` naming the field: IK_ENOTICE_JSON, IK_ENOTICE_CODE, IK_ENOTICE_FIELD,
 * IK_EDIGEST_METHOD, IK_EUNSUPPORTED, IK_EURL, IK_EURL_SCHEME, IK_ETOO_LONG, IK_ENO_MEMORY.
 */
int ik_notice_parse(struct ik_str text, struct ik_announcement *out, char *detail);

/* 1-64 characters of letters, digits, '.', '-', '_': a version, or a module. */
bool ik_ota_name_valid(struct ik_str name);

#endif
