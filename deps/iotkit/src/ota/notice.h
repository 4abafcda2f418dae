/*
 * notice.h - an upgrade notice, read strictly: what the platform pushes on ota/device/upgrade and
 * answers on firmware/get.
 */
#ifndef IK_OTA_NOTICE_H
#define IK_OTA_NOTICE_H

#include "base/buf.h"
#include "iotkit_ota.h"
#include "ota/files.h"

struct ik_config;

/* The upgrade with the memory its texts live in. */
struct ik_notice {
  struct iotkit_upgrade upgrade; /* no text is NULL; absent ones are "" */
  struct ik_files files;         /* owned; what upgrade.files points to */
  struct ik_config *config;      /* owned; NULL: it is about firmware (see ota/config.h) */
  bool nothing;                  /* the platform answered that there is nothing to do */
};

/*
 * Reads one. Fills `out` as far as it got also when it fails (id and module come first, so that a
 * refusal can name them); the caller frees it with ik_notice_free in every case. Errors, with
 * `detail` naming the field: IK_ENOTICE_JSON, IK_ENOTICE_CODE, IK_ENOTICE_FIELD, IK_EDIGEST_METHOD,
 * IK_EUNSUPPORTED, IK_EURL, IK_EURL_SCHEME, IK_ETOO_LONG, IK_ENO_MEMORY.
 */
int ik_notice_parse(struct ik_str text, struct ik_notice *out, char *detail);
/* An empty one, for those who fill it themselves. */
void ik_notice_init(struct ik_notice *notice);
int ik_notice_copy(const struct ik_notice *notice, struct ik_notice *out);
void ik_notice_free(struct ik_notice *notice);
/*
 * One file of a notice with several, as a notice of that image alone. Its digest_sign is "": over
 * what the platform would sign several files is not documented. IK_EINVALID_ARGUMENT: there is no
 * such file; IK_ENO_MEMORY.
 */
int ik_notice_file(const struct ik_notice *notice, size_t index, struct ik_notice *out);
/* The same image, or the same files, the same way; URLs and streams may be others. */
bool ik_notice_same_image(const struct ik_notice *a, const struct ik_notice *b);
/*
 * The URL that `notice` has for the one image of `image`, which may be one of its several files.
 * NULL: it is about another. Lives as long as `notice`.
 */
const char *ik_notice_url_of(const struct ik_notice *notice, const struct ik_notice *image);
/* The same upgrade of the same notice. */
bool ik_notice_equal(const struct ik_notice *a, const struct ik_notice *b);

/* 1-64 characters of letters, digits, '.', '-', '_': a version, or a module. */
bool ik_ota_name_valid(struct ik_str name);

#endif
