/* strings.c - the strings of a JSON text, decoded where they stand, and whether bytes are UTF-8 at all. */
#include <string.h>

#include "file/json.h"

static int hex(struct json *j, uint32_t *value) {
  *value = 0;
  if (j->end - j->at < 4) return rf_json_fail(j);
  for (int i = 0; i < 4; i++) {
    const char c = *j->at++;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return rf_json_fail(j);
    *value = *value * 16 + (uint32_t)digit;
  }
  return 1;
}

/* UTF-8 of a code point, never longer than its escape. */
static char *put(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
    return to;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static const unsigned first[] = {0, 0xc0, 0xe0, 0xf0};
  *to++ = (char)(first[more] | c >> 6 * more);
  for (int i = more - 1; i >= 0; i--) *to++ = (char)(0x80 | (c >> 6 * i & 0x3f));
  return to;
}

/* What follows \u: one code point, perhaps of two halves. */
static int code_point(struct json *j, uint32_t *c) {
  uint32_t low;
  if (!hex(j, c)) return 0;
  if (*c >= 0xdc00 && *c < 0xe000) return rf_json_fail(j);
  if (*c < 0xd800 || *c >= 0xdc00) return 1;
  if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u') return rf_json_fail(j);
  j->at += 2;
  if (!hex(j, &low) || low < 0xdc00 || low >= 0xe000) return rf_json_fail(j);
  *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
  return 1;
}

static int escape(struct json *j, char **to) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (j->at >= j->end) return rf_json_fail(j);
  const char c = *j->at++;
  uint32_t point;
  if (c == 'u') {
    if (!code_point(j, &point)) return 0;
    *to = put(*to, point);
    return 1;
  }
  const char *found = c ? strchr(names, c) : NULL;
  if (!found) return rf_json_fail(j);
  *(*to)++ = values[found - names];
  return 1;
}

int rf_json_string(struct json *j, struct text *text) {
  if (!rf_json_take(j, '"')) return 0;
  char *to = j->at;
  text->at = to;
  while (j->at < j->end) {
    const char c = *j->at++;
    if (c == '"') {
      text->length = (size_t)(to - text->at);
      return 1;
    }
    if ((unsigned char)c < 0x20) return rf_json_fail(j);
    if (c != '\\') {
      *to++ = c;
    } else if (!escape(j, &to)) {
      return 0;
    }
  }
  return rf_json_fail(j);
}

int rf_is_utf8(struct text text) {
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  const unsigned char *at = (const unsigned char *)text.at, *end = at + text.length;
  while (at < end) {
    const int more = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;
    if ((more == 1 && *at < 0xc0) || *at >= 0xf8 || end - at <= more) return 0;
    uint32_t point = more > 0 ? *at & (0x3fu >> more) : *at;
    for (int i = 1; i <= more; i++) {
      if ((at[i] & 0xc0) != 0x80) return 0;
      point = point << 6 | (at[i] & 0x3f);
    }
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return 0;
    at += more + 1;
  }
  return 1;
}
