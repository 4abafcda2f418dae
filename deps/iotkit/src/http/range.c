/*
 * range.c - the value parsers; nothing is owned here.
 */
#include "http/range.h"

#include <string.h>

#define MS_PER_S 1000
#define S_PER_DAY 86400

/* Takes the text before `stop` off the front of *rest; false: `stop` is not there. */
static bool split(struct ik_str *rest, char stop, struct ik_str *part) {
  const char *at = rest->len > 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
  if (at == NULL) return false;
  *part = (struct ik_str){rest->ptr, (size_t)(at - rest->ptr)};
  *rest = (struct ik_str){at + 1, rest->len - part->len - 1};
  return true;
}

bool ik_http_content_range(struct ik_str value, struct ik_http_content_range *out) {
  struct ik_str unit;
  struct ik_str first;
  struct ik_str last;
  if (!split(&value, ' ', &unit) || !ik_str_eq_nocase(unit, IK_STR("bytes"))) return false;
  if (!split(&value, '-', &first) || !ik_str_u64(first, &out->first)) return false;
  if (!split(&value, '/', &last) || !ik_str_u64(last, &out->last)) return false;
  if (ik_str_eq(value, IK_STR("*"))) {
    out->total = IK_HTTP_TOTAL_UNKNOWN;
  } else if (!ik_str_u64(value, &out->total)) {
    return false;
  }
  return out->first <= out->last && out->last < out->total;
}

bool ik_http_etag_is_strong(struct ik_str value) {
  if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"') return false;
  for (size_t i = 1; i < value.len - 1; i++) {
    uint8_t c = (uint8_t)value.ptr[i];
    if (c <= 0x20 || c == '"' || c == 0x7f) return false;
  }
  return true;
}

static bool number(struct ik_str text, size_t at, size_t len, uint64_t *out) {
  struct ik_str part = {text.ptr + at, len};
  if (len > 1 && part.ptr[0] == ' ') part = (struct ik_str){part.ptr + 1, len - 1};
  return ik_str_u64(part, out);
}

static bool month_number(struct ik_str text, size_t at, uint64_t *out) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (uint64_t i = 0; i < 12; i++) {
    if (memcmp(text.ptr + at, names + 3 * i, 3) != 0) continue;
    *out = i;
    return true;
  }
  return false;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar, month 0-11. */
static uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day) {
  static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  uint64_t y = year - 1;
  uint64_t days =
      365 * (year - 1970) + (y / 4 - 1969 / 4) - (y / 100 - 1969 / 100) + (y / 400 - 1969 / 400);
  return days + before[month] + (leap && month > 1 ? 1 : 0) + day - 1;
}

/* "hh:mm:ss" at `at`. */
static bool time_of_day(struct ik_str text, size_t at, uint64_t *seconds) {
  uint64_t h;
  uint64_t m;
  uint64_t s;
  if (text.ptr[at + 2] != ':' || text.ptr[at + 5] != ':') return false;
  if (!number(text, at, 2, &h) || !number(text, at + 3, 2, &m) || !number(text, at + 6, 2, &s)) {
    return false;
  }
  *seconds = h * 3600 + m * 60 + s;
  return h < 24 && m < 60 && s <= 60;
}

/*
 * Where the parts of each form stand; the places of the obsolete ones count from the end of the
 * name of the day.
 */
struct date_form {
  size_t len;
  size_t day;
  size_t month;
  size_t year;
  size_t year_len;
  size_t time;
};

static bool date_by_form(struct ik_str text, const struct date_form *form, uint64_t *seconds) {
  uint64_t day;
  uint64_t month;
  uint64_t year;
  uint64_t time;
  if (text.len != form->len) return false;
  if (!number(text, form->day, 2, &day) || !month_number(text, form->month, &month) ||
      !number(text, form->year, form->year_len, &year) || !time_of_day(text, form->time, &time)) {
    return false;
  }
  /* Two digits: the century that puts it at most 50 years ahead of this code's age. */
  if (form->year_len == 2) year += year < 70 ? 2000 : 1900;
  if (day < 1 || day > 31 || year < 1970) return false;
  *seconds = days_since_1970(year, month, day) * S_PER_DAY + time;
  return true;
}

bool ik_http_date(struct ik_str value, uint64_t *seconds) {
  static const struct date_form fixdate = {29, 5, 8, 12, 4, 17}; /* Sun, 06 Nov 1994 08:49:37 GMT */
  static const struct date_form asctime = {24, 8, 4, 20, 4, 11}; /* Sun Nov  6 08:49:37 1994 */
  static const struct date_form rfc850 = {24, 2, 5, 9, 2, 12};   /* , 06-Nov-94 08:49:37 GMT */
  if (value.len >= 4 && memcmp(value.ptr + value.len - 4, " GMT", 4) != 0) {
    return date_by_form(value, &asctime, seconds);
  }
  if (date_by_form(value, &fixdate, seconds)) return true;
  const char *comma = value.len > 0 ? memchr(value.ptr, ',', value.len) : NULL;
  if (comma == NULL) return false;
  size_t name_len = (size_t)(comma - value.ptr);
  return date_by_form((struct ik_str){comma, value.len - name_len}, &rfc850, seconds);
}

bool ik_http_retry_after(struct ik_str value, uint64_t wall_ms, uint64_t *wait_ms) {
  uint64_t seconds;
  if (ik_str_u64(value, &seconds)) {
    *wait_ms = seconds > UINT64_MAX / MS_PER_S ? UINT64_MAX : seconds * MS_PER_S;
    return true;
  }
  if (!ik_http_date(value, &seconds)) return false;
  uint64_t at_ms = seconds * MS_PER_S;
  *wait_ms = at_ms > wall_ms ? at_ms - wall_ms : 0;
  return true;
}
