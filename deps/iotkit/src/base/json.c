/*
 * json.c - the JSON reader.
 *
 * One pass over the text, without recursion: the open arrays and objects lie on a stack of
 * IK_JSON_DEPTH_MAX levels. The document owns its nodes only; their texts point into the caller's.
 * Strings are checked while reading and decoded on demand.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "iotkit_errors.h"

struct level {
  uint32_t node; /* the array or object */
  uint32_t last; /* its newest member, 0: none yet */
};

struct reader {
  const char *start;
  const char *at;
  const char *end;
  struct ik_json *doc;
  uint32_t cap;
  uint32_t depth;
  struct level levels[IK_JSON_DEPTH_MAX];
  char *detail;
};

static int refuse(struct reader *in, const char *what) {
  ik_detail(in->detail, "%s at byte %zu", what, (size_t)(in->at - in->start));
  return IK_ENOTICE_JSON;
}

static bool at_end(const struct reader *in) {
  return in->at == in->end;
}

static void skip_space(struct reader *in) {
  while (!at_end(in) && (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t')) {
    in->at++;
  }
}

static int add_node(struct reader *in, enum ik_json_type type, struct ik_str key, const char *text,
                    uint32_t *index) {
  struct ik_json *doc = in->doc;
  if (doc->count == in->cap) {
    uint32_t cap = in->cap ? in->cap * 2 : 32;
    struct ik_json_node *nodes;
    if (doc->count >= IK_JSON_NODES_MAX) {
      ik_detail(in->detail, "more than %d values", IK_JSON_NODES_MAX);
      return IK_ETOO_LONG;
    }
    nodes = realloc(doc->nodes, cap * sizeof *nodes);
    if (!nodes) return IK_ENO_MEMORY;
    doc->nodes = nodes;
    in->cap = cap;
  }
  *index = doc->count++;
  doc->nodes[*index] = (struct ik_json_node){.type = type, .key = key, .text = {text, 0}};
  if (in->depth > 0) {
    struct level *level = &in->levels[in->depth - 1];
    if (level->last) {
      doc->nodes[level->last].next = *index;
    } else {
      doc->nodes[level->node].child = *index;
    }
    level->last = *index;
    doc->nodes[level->node].count++;
  }
  return 0;
}

/* From after the opening quote to after the closing one. */
static int read_string(struct reader *in, struct ik_str *out) {
  const char *first = in->at;
  while (!at_end(in)) {
    unsigned char c = (unsigned char)*in->at;
    if (c == '"') {
      *out = (struct ik_str){first, (size_t)(in->at - first)};
      in->at++;
      return 0;
    }
    if (c < 0x20) return refuse(in, "control character in a string");
    if (c == '\\') {
      struct ik_str rest = {in->at, (size_t)(in->end - in->at)};
      char utf8[4];
      size_t used = ik_json_unescape(rest, utf8, NULL);
      if (used == 0) return refuse(in, "bad escape");
      in->at += used;
    } else {
      in->at++;
    }
  }
  return refuse(in, "unfinished string");
}

static size_t skip_digits(struct reader *in) {
  const char *first = in->at;
  while (!at_end(in) && *in->at >= '0' && *in->at <= '9')
    in->at++;
  return (size_t)(in->at - first);
}

static int read_number(struct reader *in) {
  if (*in->at == '-') in->at++;
  if (!at_end(in) && *in->at == '0') {
    in->at++;
    if (skip_digits(in) > 0) return refuse(in, "number with a leading zero");
  } else if (skip_digits(in) == 0) {
    return refuse(in, "number without digits");
  }
  if (!at_end(in) && *in->at == '.') {
    in->at++;
    if (skip_digits(in) == 0) return refuse(in, "fraction without digits");
  }
  if (!at_end(in) && (*in->at == 'e' || *in->at == 'E')) {
    in->at++;
    if (!at_end(in) && (*in->at == '+' || *in->at == '-')) in->at++;
    if (skip_digits(in) == 0) return refuse(in, "exponent without digits");
  }
  return 0;
}

static int read_word(struct reader *in, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0) {
    return refuse(in, "unknown word");
  }
  in->at += len;
  return 0;
}

static int read_key(struct reader *in, struct ik_str *key) {
  int rc;
  if (at_end(in) || *in->at != '"') return refuse(in, "member name expected");
  in->at++;
  rc = read_string(in, key);
  if (rc < 0) return rc;
  skip_space(in);
  if (at_end(in) || *in->at != ':') return refuse(in, "':' expected");
  in->at++;
  skip_space(in);
  return 0;
}

static int open_level(struct reader *in, uint32_t node) {
  if (in->depth == IK_JSON_DEPTH_MAX) {
    ik_detail(in->detail, "nested deeper than %d at byte %zu", IK_JSON_DEPTH_MAX,
              (size_t)(in->at - in->start));
    return IK_ETOO_LONG;
  }
  in->levels[in->depth++] = (struct level){.node = node};
  in->at++;
  return 0;
}

static enum ik_json_type type_of(char first) {
  switch (first) {
  case '{':
    return IK_JSON_OBJECT;
  case '[':
    return IK_JSON_ARRAY;
  case '"':
    return IK_JSON_STRING;
  case 't':
  case 'f':
    return IK_JSON_BOOL;
  case 'n':
    return IK_JSON_NULL;
  default:
    return IK_JSON_NUMBER;
  }
}

static int read_text(struct reader *in, enum ik_json_type type, struct ik_str *text) {
  const char *first = in->at;
  int rc;
  if (type == IK_JSON_STRING) {
    in->at++;
    return read_string(in, text);
  }
  if (type == IK_JSON_BOOL) {
    rc = read_word(in, *first == 't' ? "true" : "false");
  } else if (type == IK_JSON_NULL) {
    rc = read_word(in, "null");
  } else {
    rc = read_number(in);
  }
  *text = (struct ik_str){first, (size_t)(in->at - first)};
  return rc;
}

/* A value, of objects and arrays the opening bracket. */
static int read_value(struct reader *in, struct ik_str key) {
  enum ik_json_type type;
  uint32_t index;
  int rc;
  if (at_end(in)) return refuse(in, "unfinished text");
  if (!memchr("{[\"tfn-0123456789", *in->at, 17)) return refuse(in, "unexpected character");
  type = type_of(*in->at);
  rc = add_node(in, type, key, in->at, &index);
  if (rc < 0) return rc;
  if (type == IK_JSON_OBJECT || type == IK_JSON_ARRAY) return open_level(in, index);
  return read_text(in, type, &in->doc->nodes[index].text);
}

/*
 * Closes what ends here. Afterwards either all is closed, or `at` is where the next member begins.
 */
static int read_between(struct reader *in) {
  while (in->depth > 0) {
    struct level *level = &in->levels[in->depth - 1];
    struct ik_json_node *node = &in->doc->nodes[level->node];
    skip_space(in);
    if (at_end(in)) return refuse(in, "unfinished text");
    if (*in->at == (node->type == IK_JSON_OBJECT ? '}' : ']')) {
      in->at++;
      node->text.len = (size_t)(in->at - node->text.ptr);
      in->depth--;
      continue;
    }
    if (node->count == 0) return 0;
    if (*in->at != ',') return refuse(in, "',' or the closing bracket expected");
    in->at++;
    skip_space(in);
    return 0;
  }
  return 0;
}

static int read_document(struct reader *in) {
  int rc = 0;
  skip_space(in);
  do {
    struct ik_str key = {"", 0};
    if (in->depth > 0) {
      const struct level *level = &in->levels[in->depth - 1];
      if (in->doc->nodes[level->node].type == IK_JSON_OBJECT) rc = read_key(in, &key);
    }
    if (rc == 0) rc = read_value(in, key);
    if (rc == 0) rc = read_between(in);
  } while (rc == 0 && in->depth > 0);
  if (rc < 0) return rc;
  skip_space(in);
  return at_end(in) ? 0 : refuse(in, "something behind the value");
}

int ik_json_parse(struct ik_str text, struct ik_json *out, char *detail) {
  struct reader in = {.doc = out, .detail = detail};
  int rc;
  *out = (struct ik_json){0};
  if (text.len == 0) text.ptr = "";
  if (text.len > IK_JSON_TEXT_MAX) {
    ik_detail(detail, "JSON of %zu bytes, the limit is %zu", text.len, IK_JSON_TEXT_MAX);
    return IK_ETOO_LONG;
  }
  if (!ik_utf8_valid((const uint8_t *)text.ptr, text.len)) {
    ik_detail(detail, "not UTF-8");
    return IK_ENOTICE_JSON;
  }
  in.start = in.at = text.ptr;
  in.end = text.ptr + text.len;
  rc = read_document(&in);
  if (rc == IK_ENO_MEMORY) ik_detail(detail, "out of memory");
  if (rc < 0) ik_json_free(out);
  return rc;
}

void ik_json_free(struct ik_json *json) {
  free(json->nodes);
  *json = (struct ik_json){0};
}

const struct ik_json_node *ik_json_root(const struct ik_json *json) {
  return json->count > 0 ? &json->nodes[0] : NULL;
}

const struct ik_json_node *ik_json_first(const struct ik_json *json,
                                         const struct ik_json_node *parent) {
  return parent && parent->child ? &json->nodes[parent->child] : NULL;
}

const struct ik_json_node *ik_json_next(const struct ik_json *json,
                                        const struct ik_json_node *node) {
  return node && node->next ? &json->nodes[node->next] : NULL;
}

const struct ik_json_node *ik_json_get(const struct ik_json *json,
                                       const struct ik_json_node *object, const char *key) {
  const struct ik_json_node *found = NULL;
  struct ik_str name = ik_str(key);
  if (!object || object->type != IK_JSON_OBJECT) return NULL;
  for (const struct ik_json_node *at = ik_json_first(json, object); at;
       at = ik_json_next(json, at)) {
    if (ik_json_text_eq(at->key, name)) found = at;
  }
  return found;
}
