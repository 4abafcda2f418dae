/*
 * block_reply.h - the reply to a block request, read strictly: two bytes big-endian length, that
 * many bytes of JSON, the block, its CRC-16/ARC little-endian.
 */
#ifndef IK_ALINK_BLOCK_REPLY_H
#define IK_ALINK_BLOCK_REPLY_H

#include "base/buf.h"

#define IK_BLOCK_REPLY_OVERHEAD ((size_t)1024) /* of a usual reply: everything but the block */
#define IK_BLOCK_CODE_OK 200

/* Points into the payload. */
struct ik_block_reply {
  bool has_id;
  uint32_t id; /* of the request it answers */
  /* IK_BLOCK_CODE_OK, or the platform's refusal: then there is nothing but `message` */
  uint64_t code;
  struct ik_str message; /* printable */
  uint64_t offset;
  uint64_t file_length; /* of the image; 0: the reply does not say */
  const uint8_t *data;
  size_t size;
};

/*
 * 0, or IK_EBLOCK with `detail` saying what is wrong (IK_ENO_MEMORY). The id is filled in also when
 * what follows it is wrong.
 */
int ik_block_reply_parse(const uint8_t *payload, size_t len, struct ik_block_reply *out,
                         char *detail);

#endif
