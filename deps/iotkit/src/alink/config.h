/*
 * config.h - remote configuration: the messages of thing/config, and the reader that makes an
 * announcement of a configuration, so that it is downloaded and verified as firmware is.
 */
#ifndef IK_ALINK_CONFIG_H
#define IK_ALINK_CONFIG_H

#include "alink/announcement.h"
#include "alink/messages.h"

enum ik_config_source {
  IK_CONFIG_REPLY, /* get_reply: code 200, as number or string, and data */
  IK_CONFIG_PUSH   /* push: params */
};

/*
 * Reads one as ik_notice_parse does, with the same errors and duties: size, digest and URL are
 * those of the upgrade, version and module "". `nothing`: a reply without a configuration, or with
 * code 6710. Other codes: IK_EPLATFORM_PARAMETERS (460), IK_EPLATFORM_UNAVAILABLE (429, 500),
 * IK_ECONFIG_DISABLED (6713), else IK_ENOTICE_CODE.
 */
int ik_config_parse(struct ik_str text, enum ik_config_source source, struct ik_announcement *out,
                    char *detail);

enum ik_config_topic {
  IK_CONFIG_TOPIC_GET,        /* up: send me the configuration */
  IK_CONFIG_TOPIC_GET_REPLY,  /* down */
  IK_CONFIG_TOPIC_PUSH,       /* down: there is a new one */
  IK_CONFIG_TOPIC_PUSH_REPLY, /* up */
  IK_CONFIG_TOPICS
};

/* What follows "/sys/{product key}/{device name}". */
const char *ik_config_topic_tail(enum ik_config_topic which);

/* Appends a request; `attribute_keys` is left out when it is "". As ik_ota_write_inform. */
int ik_config_write_get(struct ik_buf *out, uint32_t id, const char *scope, const char *get_type,
                        const char *attribute_keys);
/* The code that answers a push which was taken (0) or refused with this error. */
int ik_config_code_of(int error);
/* Appends the answer to the push `id`; `message` "": none. As ik_ota_write_inform. */
int ik_config_write_push_reply(struct ik_buf *out, const char *id, int code, const char *message);

#endif
