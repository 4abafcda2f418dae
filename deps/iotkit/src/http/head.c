/*
 * head.c - the response-head parser.
 *
 * The head owns the text it gathers; fields are places in it, so values stay valid until reset or
 * free. Each line is checked when its LF arrives, which makes the result independent of how the
 * bytes were split.
 */
#include "http/head.h"

#include <string.h>

#include "http/text.h"
#include "iotkit_errors.h"

#define LINE_END_LEN 2
#define STATUS_LINE_MIN 12 /* "HTTP/1.1 200" */

void ik_http_head_init(struct ik_http_head *head) {
  memset(head, 0, sizeof(*head));
  ik_buf_init(&head->text, IK_HTTP_HEAD_MAX);
}

void ik_http_head_free(struct ik_http_head *head) {
  ik_buf_free(&head->text);
}

void ik_http_head_reset(struct ik_http_head *head) {
  ik_buf_clear(&head->text);
  head->line = 0;
  head->status = 0;
  head->minor = 0;
  head->done = false;
  head->count = 0;
}

/* What is no HTTP/1 at all is refused at its first wrong byte: it may never send a line end. */
static int check_prefix(const uint8_t *text, size_t len, char *detail) {
  static const char prefix[] = "HTTP/1.";
  size_t n = len < sizeof(prefix) - 1 ? len : sizeof(prefix) - 1;
  if (memcmp(text, prefix, n) == 0) return 0;
  return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the answer does not begin with HTTP/1");
}

static int parse_status_line(struct ik_http_head *head, const char *text, size_t len,
                             char *detail) {
  uint64_t status;
  if (len < STATUS_LINE_MIN || text[7] < '0' || text[7] > '9' || text[8] != ' ' ||
      !ik_str_u64((struct ik_str){text + 9, 3}, &status) || status < 100) {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the status line is malformed");
  }
  /* The space before an empty reason is often left out. */
  if (len > STATUS_LINE_MIN && (text[12] != ' ' || !ik_http_is_text(text + 12, len - 12))) {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the status line is malformed");
  }
  head->minor = (uint8_t)(text[7] - '0');
  head->status = (uint16_t)status;
  return 0;
}

static int refuse_control(struct ik_str name, char *detail) {
  return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the header field %.*s has a control character",
                   (int)(name.len < 64 ? name.len : 64), name.ptr);
}

/* The line goes on with the value of the last field; its line end becomes blanks (RFC 9112, 5.2). */
static int unfold(struct ik_http_head *head, size_t at, size_t len, char *detail) {
  char *text = (char *)head->text.data + head->text.pos;
  if (head->count == 0) {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the first header field begins with a blank");
  }
  struct ik_http_field *field = &head->fields[head->count - 1];
  if (!ik_http_is_text(text + at, len)) {
    return refuse_control((struct ik_str){text + field->name, field->name_len}, detail);
  }
  memset(text + at - LINE_END_LEN, ' ', LINE_END_LEN);
  struct ik_str value = ik_str_trim((struct ik_str){text + field->value, at + len - field->value});
  field->value = (uint16_t)(value.ptr - text);
  field->value_len = (uint16_t)value.len;
  return 0;
}

static int parse_field(struct ik_http_head *head, size_t at, size_t len, char *detail) {
  const char *text = (const char *)ik_buf_ptr(&head->text) + at;
  if (text[0] == ' ' || text[0] == '\t') return unfold(head, at, len, detail);
  const char *colon = memchr(text, ':', len);
  size_t name_len = colon != NULL ? (size_t)(colon - text) : 0;
  if (!ik_http_is_token((struct ik_str){text, name_len})) {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the name of a header field is malformed");
  }
  struct ik_str value = ik_str_trim((struct ik_str){colon + 1, len - name_len - 1});
  if (!ik_http_is_text(value.ptr, value.len)) {
    return refuse_control((struct ik_str){text, name_len}, detail);
  }
  if (head->count == IK_HTTP_HEADERS_MAX) {
    return ik_refuse(detail, IK_EHTTP_HEAD_TOO_LARGE, "the response head has more than %d fields",
                     IK_HTTP_HEADERS_MAX);
  }
  struct ik_http_field *field = &head->fields[head->count++];
  field->name = (uint16_t)at;
  field->name_len = (uint16_t)name_len;
  field->value = (uint16_t)(at + (size_t)(value.ptr - text));
  field->value_len = (uint16_t)value.len;
  return 0;
}

/* The line that starts at head->line is complete, LF included. 1: it was the empty one. */
static int take_line(struct ik_http_head *head, char *detail) {
  const char *text = (const char *)ik_buf_ptr(&head->text);
  size_t at = head->line;
  size_t len = ik_buf_size(&head->text) - at;
  head->line += len;
  if (len < LINE_END_LEN || text[at + len - LINE_END_LEN] != '\r') {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL,
                     "a line of the response head does not end with CRLF");
  }
  len -= LINE_END_LEN;
  if (head->status == 0) return parse_status_line(head, text + at, len, detail);
  if (len == 0) return 1;
  return parse_field(head, at, len, detail);
}

int ik_http_head_push(struct ik_http_head *head, const uint8_t *data, size_t len, size_t *used,
                      char *detail) {
  *used = 0;
  if (head->done) return 1;
  while (*used < len) {
    const uint8_t *from = data + *used;
    const uint8_t *end = memchr(from, '\n', len - *used);
    size_t n = end != NULL ? (size_t)(end - from) + 1 : len - *used;
    int rc = 0;
    if (ik_buf_size(&head->text) + n > IK_HTTP_HEAD_MAX) {
      /* What fits is still judged first, as it would be if it had come in smaller pieces. */
      n = IK_HTTP_HEAD_MAX - ik_buf_size(&head->text);
      end = NULL;
      rc = IK_EHTTP_HEAD_TOO_LARGE;
    }
    int append_rc = ik_buf_append(&head->text, from, n);
    if (append_rc != 0) return append_rc;
    *used += n;
    if (head->status == 0) {
      int prefix_rc = check_prefix(ik_buf_ptr(&head->text), ik_buf_size(&head->text), detail);
      if (prefix_rc != 0) return prefix_rc;
    }
    if (rc != 0) {
      ik_detail(detail, "the response head is longer than %zu bytes", IK_HTTP_HEAD_MAX);
      return rc;
    }
    if (end == NULL) return 0;
    rc = take_line(head, detail);
    if (rc < 0) return rc;
    if (rc == 1) {
      head->done = true;
      return 1;
    }
  }
  return 0;
}

static struct ik_str text_at(const struct ik_http_head *head, uint16_t at, uint16_t len) {
  return (struct ik_str){(const char *)ik_buf_ptr(&head->text) + at, len};
}

bool ik_http_head_at(const struct ik_http_head *head, const char *name, size_t index,
                     struct ik_str *value) {
  struct ik_str wanted = ik_str(name);
  for (size_t i = 0; i < head->count; i++) {
    const struct ik_http_field *field = &head->fields[i];
    if (!ik_str_eq_nocase(text_at(head, field->name, field->name_len), wanted)) continue;
    if (index-- > 0) continue;
    if (value != NULL) *value = text_at(head, field->value, field->value_len);
    return true;
  }
  return false;
}

size_t ik_http_head_get(const struct ik_http_head *head, const char *name, struct ik_str *value) {
  if (value != NULL) *value = (struct ik_str){"", 0};
  size_t count = 0;
  while (ik_http_head_at(head, name, count, count == 0 ? value : NULL))
    count++;
  return count;
}

/* All lengths of all fields must be the same ("5" and "5, 5" are; RFC 9112 section 6.3). */
static int content_length(const struct ik_http_head *head, bool *found, uint64_t *length,
                          char *detail) {
  struct ik_str value;
  *found = false;
  for (size_t i = 0; ik_http_head_at(head, "Content-Length", i, &value); i++) {
    struct ik_str item;
    do {
      uint64_t n;
      item = ik_http_next_item(&value);
      if (!ik_str_u64(item, &n) || (*found && n != *length)) {
        return ik_refuse(detail, IK_EHTTP_PROTOCOL,
                         "Content-Length is malformed or contradicts itself");
      }
      *found = true;
      *length = n;
    } while (value.ptr != NULL);
  }
  return 0;
}

/* One "chunked", and it is the last; "identity" (RFC 2616) is none at all. */
static int transfer_coding(const struct ik_http_head *head, bool *chunked, char *detail) {
  struct ik_str value;
  *chunked = false;
  for (size_t i = 0; ik_http_head_at(head, "Transfer-Encoding", i, &value); i++) {
    struct ik_str rest = value;
    do {
      struct ik_str item = ik_http_next_item(&rest);
      bool is_chunked = ik_str_eq_nocase(item, IK_STR("chunked"));
      if (*chunked || (!is_chunked && !ik_str_eq_nocase(item, IK_STR("identity")))) {
        return ik_refuse(detail, IK_EHTTP_ENCODING, "Transfer-Encoding is %.*s, not chunked",
                         (int)(value.len < 64 ? value.len : 64), value.ptr);
      }
      *chunked = is_chunked;
    } while (rest.ptr != NULL);
  }
  if (!*chunked || head->minor > 0) return 0;
  return ik_refuse(detail, IK_EHTTP_PROTOCOL, "an HTTP/1.0 response has a Transfer-Encoding");
}

int ik_http_head_framing(const struct ik_http_head *head, enum ik_http_framing *framing,
                         uint64_t *length, char *detail) {
  bool chunked;
  bool has_length;
  *length = 0;
  int rc = content_length(head, &has_length, length, detail);
  if (rc != 0) return rc;
  rc = transfer_coding(head, &chunked, detail);
  if (rc != 0) return rc;
  if (chunked && has_length) {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL,
                     "the response has both Transfer-Encoding and Content-Length");
  }
  if (head->status < 200 || head->status == 204 || head->status == 304) {
    *framing = IK_HTTP_NO_BODY;
    *length = 0;
    return 0;
  }
  *framing = chunked ? IK_HTTP_CHUNKED : has_length ? IK_HTTP_LENGTH : IK_HTTP_UNTIL_CLOSE;
  return 0;
}

bool ik_http_head_keep_alive(const struct ik_http_head *head) {
  bool keep = false;
  struct ik_str value;
  for (size_t i = 0; ik_http_head_at(head, "Connection", i, &value); i++) {
    do {
      struct ik_str item = ik_http_next_item(&value);
      if (ik_str_eq_nocase(item, IK_STR("close"))) return false;
      if (ik_str_eq_nocase(item, IK_STR("keep-alive"))) keep = true;
    } while (value.ptr != NULL);
  }
  return keep || head->minor > 0;
}
