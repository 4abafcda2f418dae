/*
 * uplink.h - a channel's end of the way that its jobs have back to the platform: it implements
 * download/uplink.h over the channel's line.
 *
 * Counted by references: the channel has one, and so has each job. The channel closes it; the jobs'
 * fetching threads ask through it at any time. A reply goes to its asker on the thread that steps
 * the client, with no lock held.
 */
#ifndef IK_CHANNEL_UPLINK_H
#define IK_CHANNEL_UPLINK_H

#include "channel/line.h"
#include "channel/requests.h"
#include "download/uplink.h"

struct ik_channel_uplink;

/* With one reference. The errors of ik_ota_topic(), IK_ENO_MEMORY. Borrows the carrier. */
int ik_channel_uplink_new(struct ik_carrier *carrier, const char *product_key,
                          const char *device_name, struct ik_channel_uplink **out);
void ik_channel_uplink_unref(struct ik_channel_uplink *uplink); /* NULL is allowed */
/*
 * The channel is being freed: afterwards nothing here touches the carrier, and no reply is handed
 * on. Once, while no reply is being handled; NULL is allowed.
 */
void ik_channel_uplink_close(struct ik_channel_uplink *uplink);
/* Of a sub-device: while it is not logged in, nothing is published for it. Any thread. */
void ik_channel_uplink_set_shut(struct ik_channel_uplink *uplink, bool shut);
/* Whether a download waits for blocks, on the topic of IK_OTA_FILE_REPLY. Any thread. */
bool ik_channel_uplink_awaits_blocks(struct ik_channel_uplink *uplink);
/* The contract that the jobs see; lives as long as the uplink. */
struct ik_uplink *ik_channel_uplink_face(struct ik_channel_uplink *uplink);
/* The line, as long as the uplink. */
struct ik_line *ik_channel_uplink_line(struct ik_channel_uplink *uplink);
/* See ik_requests_reply() and ik_requests_push(). */
enum ik_reply ik_channel_uplink_reply(struct ik_channel_uplink *uplink,
                                      const struct ik_announcement *notice, int error,
                                      const char *detail);
bool ik_channel_uplink_push(struct ik_channel_uplink *uplink, const struct ik_announcement *notice);

#endif
