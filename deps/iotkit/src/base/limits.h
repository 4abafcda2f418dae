/*
 * limits.h - every cap of the SDK in one place. Whatever grows by what a peer or the caller sends
 * is capped here.
 */
#ifndef IK_LIMITS_H
#define IK_LIMITS_H

#define IK_KIB ((size_t)1024)
#define IK_MIB (1024 * IK_KIB)

/* identity (document 73742 and the published headers) */
#define IK_PRODUCT_KEY_MAX 20
#define IK_DEVICE_NAME_MAX 32
#define IK_DEVICE_SECRET_MAX 64
#define IK_CLIENT_ID_BASE_MAX 64
#define IK_PRODUCT_SECRET_MAX 64
#define IK_INSTANCE_ID_MAX 64
#define IK_REGISTER_ANSWER_MAX (4 * IK_KIB)

/* MQTT */
#define IK_MQTT_PACKET_DEFAULT (257 * IK_KIB) /* the platform's 256 KiB and its header */
#define IK_MQTT_PACKET_MAX (16 * IK_MIB)
#define IK_MQTT_QUEUE_DEFAULT (1 * IK_MIB)
#define IK_MQTT_IN_FLIGHT_DEFAULT 100
#define IK_MQTT_SUBSCRIPTIONS_MAX 10000 /* 5 topics for each of 2,000 sub-devices */
#define IK_MQTT_TOPIC_MAX 65535

/* TLS */
#define IK_TLS_TRANSCRIPT_MAX                                                                      \
  (256 * IK_KIB) /* of a handshake until our signature, chains included */

/* HTTP */
#define IK_URL_MAX (8 * IK_KIB)
#define IK_HOST_MAX 255
#define IK_HTTP_HEAD_MAX (32 * IK_KIB)
#define IK_HTTP_HEADERS_MAX 128
#define IK_HTTP_CHUNK_LINE_MAX 256
#define IK_HTTP_TRAILER_MAX (8 * IK_KIB)
#define IK_HTTP_REDIRECTS_DEFAULT 5
#define IK_HTTP_FIELDS_MAX (8 * IK_KIB) /* request header fields of the user */
#define IK_PROXY_AUTH_MAX 704           /* "Basic " and the base64 of two texts of 255 bytes */
#define IK_HOST_LIST_MAX (8 * IK_KIB)

/* JSON */
#define IK_JSON_TEXT_MAX (1 * IK_MIB)
#define IK_JSON_DEPTH_MAX 32
#define IK_JSON_NODES_MAX 8192 /* 3 for each of 2,000 sub-devices in one list */

/* OTA (document 89307) */
#define IK_VERSION_MAX 64
#define IK_MODULE_MAX 64
#define IK_DESC_MAX 1024
#define IK_NOTICE_MAX (256 * IK_KIB)
#define IK_DIGEST_SIGN_MAX 1024
#define IK_STATEMENT_SIGN_MAX 1368        /* base64 of RSA with 8,192 bits */
#define IK_CONFIG_MAX (64 * IK_KIB)       /* of a remote configuration */
#define IK_CONFIG_TEXT_MAX 1024           /* of its id and type, and of what is asked for */
#define IK_IMAGE_MAX ((uint64_t)1 << 50)  /* a size above this is a mistake */
#define IK_STREAM_IMAGE_MAX (16 * IK_MIB) /* of an image in MQTT blocks */
#define IK_FILE_NAME_MAX 242 /* 255, of which ".part.journal" is taken; a file of several */

/* gateways (documents 30527 and 89300) */
#define IK_SUBDEVICES_MAX 2000 /* of one gateway */
#define IK_LOGINS_MAX 50       /* in one message, logouts too */
#define IK_REGISTER_MAX 30     /* in one message */
#define IK_SUBDEVICE_CLIENT_ID_MAX 128

/* TLS */
#define IK_PEM_MAX (4 * IK_MIB)
#define IK_SIGNATURE_MAX 1024 /* of RSA with 8,192 bits */

/* files */
#define IK_PATH_MAX 4096

#endif
