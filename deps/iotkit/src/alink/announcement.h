/*
 * announcement.h - what the platform has announced: firmware (one image or several files) or a
 * remote configuration. Two readers make them, notice.h and config.h; everything above works on
 * them alone.
 *
 * What lives in alink/: what the platform and a device say to each other (Alink): notices,
 * configurations, the messages a device publishes, replies with blocks, the sign-in. It may include
 * base/ and the digests of port/port.h; otherwise it is pure, with no I/O, no clock and no lock.
 */
#ifndef IK_ALINK_ANNOUNCEMENT_H
#define IK_ALINK_ANNOUNCEMENT_H

#include "alink/files.h"
#include "iotkit_config.h"

#define IK_ANNOUNCEMENT_MD5_LEN 16

/* An upgrade with the memory its texts live in. */
struct ik_announcement {
  struct iotkit_upgrade upgrade;     /* no text is NULL; absent ones are "" */
  struct ik_files files;             /* owned; what upgrade.files points to */
  struct iotkit_config_info *config; /* owned, with its texts; NULL: it announces firmware */
  const char *file_name;             /* of several files the one that it is about; else "" */
  bool nothing;                      /* the platform answered that there is nothing to do */
  bool has_md5;                      /* `md5` was announced beside a SHA-256, which alone counts */
  uint8_t md5[IK_ANNOUNCEMENT_MD5_LEN];
};

/* An empty one, which its reader fills. */
void ik_announcement_init(struct ik_announcement *announcement);
/* Gives it a configuration whose texts are all absent; it has none yet. IK_ENO_MEMORY. */
int ik_announcement_add_config(struct ik_announcement *announcement);
/* Lets `upgrade` show the files that `files` has by now. */
void ik_announcement_show_files(struct ik_announcement *announcement);
/* Shares no memory. IK_ENO_MEMORY: `out` is then empty. */
int ik_announcement_copy(const struct ik_announcement *announcement, struct ik_announcement *out);
/* Leaves it empty; may be called again. */
void ik_announcement_free(struct ik_announcement *announcement);
/*
 * One file of an announcement with several, as an announcement of that image alone. It has no
 * signature: over what the platform would sign several files is not documented. IK_EINVALID_ARGUMENT:
 * there is no such file; IK_ENO_MEMORY. `out` is then empty.
 */
int ik_announcement_file(const struct ik_announcement *announcement, size_t index,
                         struct ik_announcement *out);

/* The same image, or the same files, the same way; URLs and streams may be others. */
bool ik_announcement_same_image(const struct ik_announcement *a, const struct ik_announcement *b);
/* The same upgrade of the same notice; the module "default" is the one without a name. */
bool ik_announcement_equal(const struct ik_announcement *a, const struct ik_announcement *b);
/*
 * The URL that `announcement` has for the one image of `image`, which may be one of its several
 * files. NULL: it is about another. Lives as long as `announcement`.
 */
const char *ik_announcement_url_of(const struct ik_announcement *announcement,
                                   const struct ik_announcement *image);

#endif
