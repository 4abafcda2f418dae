// option_table.h - reading a C struct of options from a JavaScript object, by a table.
#ifndef IOTKIT_NATIVE_RUNTIME_OPTION_TABLE_H
#define IOTKIT_NATIVE_RUNTIME_OPTION_TABLE_H

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <string>
#include <type_traits>

#include "runtime/values.h"

namespace iotkit {

// What a member is, and for texts what C gets.
enum class OptionKind : uint8_t {
  kFlag,    // absent: false
  kNumber8, // absent: 0
  kNumber16,
  kNumber32,
  kNumber64,       // a whole number of up to 2^53
  kText,           // NULL for "" or absent
  kTextNeverNull,  // "" for absent
  kTextNullIfNone, // NULL for absent alone
};

// One member: its key in JavaScript, its place in the struct, what it is. The key is no pointer, so
// that a table needs no relocation when the addon is loaded.
struct Option {
  char key[24];
  uint16_t offset;
  OptionKind kind;
};

template <typename T>
constexpr OptionKind NumberKind() {
  static_assert(std::is_same_v<T, bool> || std::is_unsigned_v<T> || std::is_enum_v<T>);
  if (std::is_same_v<T, bool>) return OptionKind::kFlag;
  if (sizeof(T) == sizeof(uint8_t)) return OptionKind::kNumber8;
  if (sizeof(T) == sizeof(uint16_t)) return OptionKind::kNumber16;
  return sizeof(T) == sizeof(uint32_t) ? OptionKind::kNumber32 : OptionKind::kNumber64;
}

template <typename T>
constexpr OptionKind TextKind(OptionKind kind) {
  static_assert(std::is_same_v<T, const char *>);
  return kind;
}

// The rows of a table: IOTKIT_NUMBER also takes flags and enums.
#define IOTKIT_NUMBER(type, key, member)                                                           \
  { #key, offsetof(type, member), NumberKind < decltype(type::member)>() }
#define IOTKIT_TEXT(type, key, member, kind)                                                       \
  { #key, offsetof(type, member), TextKind < decltype(type::member)>(OptionKind::kind) }

// Owns the texts that a struct's members point to, and overwrites them at its end: any of them may
// be a secret.
class OptionTexts final {
 public:
  OptionTexts() = default;
  ~OptionTexts();
  // The texts stay where they are.
  OptionTexts(OptionTexts &&) = default;
  OptionTexts &operator=(OptionTexts &&) = default;
  OptionTexts(const OptionTexts &) = delete;
  OptionTexts &operator=(const OptionTexts &) = delete;

  const char *Keep(std::string text);

 private:
  std::forward_list<std::string> texts_; // which never moves what is in it
};

// JS thread. Sets the members that the table names in the struct at `out`; they are valid as long
// as `texts`.
void ReadOptions(const JsOptions &given, const Option *table, size_t count, void *out,
                 OptionTexts *texts);

template <typename Struct, size_t count>
void ReadOptions(const JsOptions &given, const Option (&table)[count], Struct *out,
                 OptionTexts *texts) {
  static_assert(std::is_standard_layout_v<Struct>);
  ReadOptions(given, table, count, out, texts);
}

// Whether the members that the table names are the same in both structs, texts by what they say.
bool AreSame(const Option *table, size_t count, const void *a, const void *b);

template <typename Struct, size_t count>
bool AreSame(const Option (&table)[count], const Struct &a, const Struct &b) {
  return AreSame(table, count, &a, &b);
}

} // namespace iotkit

#endif
