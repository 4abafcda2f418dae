/*
 * block_source.h - an image in MQTT blocks, over the uplink of its job.
 */
#ifndef IK_DOWNLOAD_BLOCK_SOURCE_H
#define IK_DOWNLOAD_BLOCK_SOURCE_H

#include "download/control.h"
#include "download/setup.h"
#include "download/source.h"

/*
 * A source of the bytes from `offset` on, which is the caller's; subscribes to the topic of blocks.
 * Borrows `setup` and `control`, whose wake has been made, and takes a reference of the uplink. The
 * fetching thread. IK_ECLOSED: no channel, or it is gone; IK_EMQTT_PACKET_TOO_LARGE; IK_ENO_MEMORY.
 */
int ik_block_source_new(const struct ik_fetch_setup *setup, struct ik_control *control,
                        uint64_t offset, uint64_t now_ms, struct ik_source **out, char *detail);

#endif
