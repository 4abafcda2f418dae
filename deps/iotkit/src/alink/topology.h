/*
 * topology.h - the messages of a gateway about its sub-devices (documents 89298, 89299, 89300 and
 * 89303): topics, requests with the sub-devices' signatures, readers of what the platform says.
 */
#ifndef IK_ALINK_TOPOLOGY_H
#define IK_ALINK_TOPOLOGY_H

#include "alink/messages.h"
#include "iotkit_gateway.h"

/* What a gateway asks for. */
enum ik_topo_action {
  IK_TOPO_ADD,
  IK_TOPO_DELETE,
  IK_TOPO_GET,
  IK_TOPO_FOUND, /* thing/list/found: the owner is asked whether to add them */
  IK_TOPO_REGISTER,
  IK_TOPO_PROVISION, /* as REGISTER, proven by the secret of their product */
  IK_TOPO_LOGIN,     /* of one */
  IK_TOPO_LOGIN_BATCH,
  IK_TOPO_LOGOUT, /* of one */
  IK_TOPO_LOGOUT_BATCH,
  IK_TOPO_ACTIONS
};

/* What the platform says by itself. */
enum ik_topo_push {
  IK_TOPO_NOTIFY, /* thing/topo/add/notify: add these */
  IK_TOPO_CHANGE, /* thing/topo/change */
  IK_TOPO_ERROR,  /* /ext/error: about a sub-device's session */
  IK_TOPO_PERMIT, /* thing/gateway/permit: let sub-devices join for a while */
  /* On topics of the sub-device: */
  IK_TOPO_DISABLE,
  IK_TOPO_ENABLE,
  IK_TOPO_REMOVE, /* thing/delete */
  IK_TOPO_PUSHES
};

/* As ik_ota_topic: where the request goes, and where the reply to it comes. */
int ik_topo_topic(enum ik_topo_action action, const char *product_key, const char *device_name,
                  char out[IK_OTA_TOPIC_MAX]);
int ik_topo_reply_topic(enum ik_topo_action action, const char *product_key,
                        const char *device_name, char out[IK_OTA_TOPIC_MAX]);
/* Where a push comes, and where the answer to it goes, which CHANGE and ERROR have none of. */
int ik_topo_push_topic(enum ik_topo_push push, const char *product_key, const char *device_name,
                       char out[IK_OTA_TOPIC_MAX]);
int ik_topo_ack_topic(enum ik_topo_push push, const char *product_key, const char *device_name,
                      char out[IK_OTA_TOPIC_MAX]);
/* Whether the topic is that of the push for some device; its names, which point into the topic. */
bool ik_topo_push_names(enum ik_topo_push push, struct ik_str topic, struct ik_str *product_key,
                        struct ik_str *device_name);

/* A sub-device in a request; the texts are the caller's. */
struct ik_topo_device {
  const char *product_key;
  const char *device_name;
  const char *device_secret; /* of ADD and the logins; of PROVISION the product's */
  const char *client_id;     /* of the same, taken verbatim; NULL: "{product_key}.{device_name}" */
  enum iotkit_sign_method method; /* of the same */
  bool keep_session;              /* of the logins: the platform keeps undelivered messages */
  uint32_t random;                /* of PROVISION: signed and sent, another each time */
};

/* How many sub-devices one request may name; 0: it names none. */
size_t ik_topo_max(enum ik_topo_action action);
/*
 * Whether the texts that the action needs are there and may be sent. IK_EINVALID_ARGUMENT,
 * IK_ETOO_LONG; `detail` (may be NULL) names the field, never a value.
 */
int ik_topo_check(enum ik_topo_action action, const struct ik_topo_device *device, char *detail);
/*
 * Appends a request for `count` sub-devices, all of them checked. `timestamp_ms`: since 1970, signed
 * and sent with ADD and the logins. The buffer's errors, those of the HMAC; IK_EINVALID_ARGUMENT: a
 * text is not UTF-8, or no such count.
 */
int ik_topo_write(struct ik_buf *out, uint32_t id, enum ik_topo_action which,
                  const struct ik_topo_device *devices, size_t count, uint64_t timestamp_ms);
/* Appends the answer to a push: code 200, no data. */
int ik_topo_write_ack(struct ik_buf *out, const char *id);

enum ik_topo_change {
  IK_TOPO_CREATED = 0,
  IK_TOPO_DELETED = 1,
  IK_TOPO_ENABLED = 2,
  IK_TOPO_DISABLED = 8
};

/* A message of the platform that was read. */
struct ik_topo_message {
  char *id;                   /* owned; "" for none */
  uint32_t code;              /* of replies and of ERROR; 200 is success */
  char *message;              /* owned; what the platform says about the code; "" for nothing */
  enum ik_topo_change change; /* of CHANGE */
  char *product_key;          /* of PERMIT, owned: whose devices may join; "" for any */
  uint32_t timeout_s;         /* of PERMIT, as it was said; 0: it was not */
  struct iotkit_subdevice_name
      *entries; /* owned, and their texts; in failed batches those at fault, if it names them */
  size_t count;
};

/*
 * Each reads one message strictly, but takes what senders spell in more ways than one: id and code as
 * number or text, a list or its single element, absent or empty data as none, the list of a failure
 * under another name. IK_ENOTICE_JSON, IK_ENOTICE_FIELD, IK_ETOO_LONG, IK_ENO_MEMORY; `detail` names
 * the field. The message is to be freed in any case; after an error it has what was read before.
 */
int ik_topo_read_reply(struct ik_str text, struct ik_topo_message *out, char *detail);
int ik_topo_read_push(enum ik_topo_push push, struct ik_str text, struct ik_topo_message *out,
                      char *detail);
void ik_topo_message_free(struct ik_topo_message *message);

#define IK_TOPO_SUCCESS 200
/* Codes that decide what a gateway does next. */
#define IK_TOPO_CODE_KICKED 427
#define IK_TOPO_CODE_NO_SESSION 520
#define IK_TOPO_CODE_DELETED 521
#define IK_TOPO_CODE_DISABLED 522
/* The platform's code as an error of the table: 0 for success, IK_EGATEWAY_REFUSED for any other. */
int ik_topo_error(uint32_t code);

#endif
