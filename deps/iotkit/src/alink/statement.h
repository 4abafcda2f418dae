/*
 * statement.h - the text that a signed statement is made over: which image, for which product and
 * module, under which version.
 *
 * It is never sent: the operator writes it where the key is, the device writes it again from what
 * was announced, and only the signature travels. So there is nothing to read that somebody else
 * could have written. docs/download.md has the grammar, line by line; a change of it is another
 * format, with another number and another field.
 */
#ifndef IK_ALINK_STATEMENT_H
#define IK_ALINK_STATEMENT_H

#include "alink/announcement.h"
#include "base/buf.h"

/* Where the notice has the signature, base64: a member of extData, which belongs to the operator. */
#define IK_STATEMENT_FIELD "iotkit.statement.v1"

/* Letters, digits and other printable ASCII without blanks: nothing that could end a line. */
bool ik_statement_product_valid(struct ik_str product_key);
/*
 * Appends the statement of one image, or of one file of several. IK_EINVALID_ARGUMENT: several
 * files at once; IK_ETOO_LONG, IK_ENO_MEMORY.
 */
int ik_statement_write(struct ik_buf *out, const char *product_key,
                       const struct ik_announcement *announcement);

#endif
