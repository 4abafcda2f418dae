#include "runtime/option_table.h"

#include <cstring>

namespace iotkit {

namespace {

template <typename T>
void Store(void *member, T value) {
  std::memcpy(member, &value, sizeof value);
}

const char *ReadText(Napi::Value value, OptionKind kind, OptionTexts *texts) {
  if (!value.IsString()) return kind == OptionKind::kTextNeverNull ? "" : nullptr;
  const char *text = texts->Keep(TextOf(value));
  return kind == OptionKind::kText && *text == '\0' ? nullptr : text;
}

size_t SizeOf(OptionKind kind) {
  switch (kind) {
  case OptionKind::kFlag:
    return sizeof(bool);
  case OptionKind::kNumber8:
    return sizeof(uint8_t);
  case OptionKind::kNumber16:
    return sizeof(uint16_t);
  case OptionKind::kNumber32:
    return sizeof(uint32_t);
  case OptionKind::kNumber64:
    return sizeof(uint64_t);
  default:
    return 0; // a text
  }
}

bool AreSameTexts(const void *a, const void *b) {
  const char *texts[2];
  std::memcpy(&texts[0], a, sizeof texts[0]);
  std::memcpy(&texts[1], b, sizeof texts[1]);
  if (texts[0] == nullptr || texts[1] == nullptr) return texts[0] == texts[1];
  return std::strcmp(texts[0], texts[1]) == 0;
}

} // namespace

OptionTexts::~OptionTexts() {
  for (std::string &text : texts_)
    Wipe(&text);
}

// Copied, because a short text stays behind in a string that it is moved from.
const char *OptionTexts::Keep(std::string text) {
  texts_.push_front(text);
  Wipe(&text);
  return texts_.front().c_str();
}

void ReadOptions(const JsOptions &given, const Option *table, size_t count, void *out,
                 OptionTexts *texts) {
  for (const Option *option = table; option < table + count; option++) {
    void *member = static_cast<char *>(out) + option->offset;
    const char *key = option->key;
    switch (option->kind) {
    case OptionKind::kFlag:
      Store(member, given.Flag(key));
      break;
    case OptionKind::kNumber8:
      Store(member, static_cast<uint8_t>(given.Number(key)));
      break;
    case OptionKind::kNumber16:
      Store(member, static_cast<uint16_t>(given.Number(key)));
      break;
    case OptionKind::kNumber32:
      Store(member, given.Number(key));
      break;
    case OptionKind::kNumber64:
      Store(member, static_cast<uint64_t>(given.Float(key)));
      break;
    case OptionKind::kText:
    case OptionKind::kTextNeverNull:
    case OptionKind::kTextNullIfNone:
      Store(member, ReadText(given.Get(key), option->kind, texts));
      break;
    }
  }
}

bool AreSame(const Option *table, size_t count, const void *a, const void *b) {
  for (const Option *option = table; option < table + count; option++) {
    const void *of_a = static_cast<const char *>(a) + option->offset;
    const void *of_b = static_cast<const char *>(b) + option->offset;
    const size_t size = SizeOf(option->kind);
    if (size == 0 ? !AreSameTexts(of_a, of_b) : std::memcmp(of_a, of_b, size) != 0) return false;
  }
  return true;
}

} // namespace iotkit
