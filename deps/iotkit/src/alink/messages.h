/*
 * messages.h - what a device publishes about OTA, and the topics (document 89307).
 */
#ifndef IK_ALINK_MESSAGES_H
#define IK_ALINK_MESSAGES_H

#include "base/buf.h"

/* "/sys/" + product key + "/" + device name + the longest ending, NUL included. */
#define IK_OTA_TOPIC_MAX 128

enum ik_ota_topic {
  IK_OTA_INFORM,     /* up: version report */
  IK_OTA_PROGRESS,   /* up: progress and failure codes */
  IK_OTA_UPGRADE,    /* down: upgrade notice */
  IK_OTA_REQUEST,    /* up and down: the pull of old; echoed by brokers that know nothing of OTA */
  IK_OTA_GET,        /* up: is there an upgrade for me */
  IK_OTA_GET_REPLY,  /* down */
  IK_OTA_FILE,       /* up: a block of an image, please */
  IK_OTA_FILE_REPLY, /* down: the block */
};
#define IK_OTA_TOPICS 8

/*
 * IK_ETOO_LONG; IK_EINVALID_ARGUMENT for an empty name or one with a byte that no topic level may
 * have.
 */
int ik_ota_topic(enum ik_ota_topic which, const char *product_key, const char *device_name,
                 char out[IK_OTA_TOPIC_MAX]);

/* head/{product_key}/{device_name}tail, with the errors of ik_ota_topic. */
int ik_ota_make_topic(const char *head, const char *product_key, const char *device_name,
                      const char *tail, char out[IK_OTA_TOPIC_MAX]);

/* Whether the topic is one of ik_ota_make_topic(); its names, which point into it. */
bool ik_ota_topic_names(const char *head, const char *tail, struct ik_str topic,
                        struct ik_str *product_key, struct ik_str *device_name);

/*
 * Each appends one payload; texts are escaped. `module` NULL or "": the default one. `id` is unique
 * for the device. The buffer's errors; IK_EINVALID_ARGUMENT: a text is not UTF-8.
 */
int ik_ota_write_inform(struct ik_buf *out, uint32_t id, const char *version, const char *module);
int ik_ota_write_progress(struct ik_buf *out, uint32_t id, int step, const char *desc,
                          const char *module);
int ik_ota_write_get(struct ik_buf *out, uint32_t id, const char *module);

/* Which bytes of which image are asked for over MQTT. */
struct ik_ota_block {
  uint64_t stream_id;
  uint64_t file_id;
  uint64_t offset;
  uint32_t size;
};
int ik_ota_write_block(struct ik_buf *out, uint32_t id, const struct ik_ota_block *block);

#endif
