/*
 * topic.h - MQTT topic names and filters (MQTT 3.1.1, section 4.7): validity and matching.
 */
#ifndef IK_MQTT_TOPIC_H
#define IK_MQTT_TOPIC_H

#include "base/buf.h"

/* What a PUBLISH may carry: 1 to 65,535 bytes of UTF-8 without NUL and without wildcards. */
bool ik_mqtt_topic_name_valid(struct ik_str name);
/*
 * What a SUBSCRIBE may carry: as a name, but '+' may be a whole level and '#' the whole last one.
 */
bool ik_mqtt_topic_filter_valid(struct ik_str filter);
/* Whether a valid filter has wildcards, so that it may match more than one name. */
bool ik_mqtt_topic_filter_is_wild(struct ik_str filter);
/*
 * Whether a valid filter matches a valid name. "a/#" also matches "a"; a wildcard in the first
 * level does not match names that begin with '$'.
 */
bool ik_mqtt_topic_matches(struct ik_str filter, struct ik_str name);

#endif
