/* json.c - JSON read strictly, once, from beginning to end. */
#include "file/json.h"

#include <string.h>

enum { DEEPEST = 64 };
#define WHOLE_MOST (INT64_C(1) << 53)

static int fail(struct json *j) {
  j->spent = 1;
  return 0;
}

int rf_text_is(struct text text, const char *word) {
  return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

/* The next character behind space, 0 at the end. */
static char peek(struct json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
  return !j->spent && j->at < j->end ? *j->at : 0;
}

static int take_char(struct json *j, char c) {
  if (peek(j) != c) return fail(j);
  j->at++;
  return 1;
}

int rf_json_open(struct json *j, char bracket) { return take_char(j, bracket); }

int rf_json_next(struct json *j, char bracket, int64_t *count) {
  const char close = bracket == '{' ? '}' : ']';
  if (peek(j) == close) {
    j->at++;
    return 0;
  }
  if (*count > 0 && !take_char(j, ',')) return 0;
  ++*count;
  return j->spent || j->at >= j->end ? fail(j) : 1;
}

static int hex(struct json *j, uint32_t *value) {
  *value = 0;
  if (j->end - j->at < 4) return fail(j);
  for (int i = 0; i < 4; i++) {
    const char c = *j->at++;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return fail(j);
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
  if (*c >= 0xdc00 && *c < 0xe000) return fail(j);
  if (*c < 0xd800 || *c >= 0xdc00) return 1;
  if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u') return fail(j);
  j->at += 2;
  if (!hex(j, &low) || low < 0xdc00 || low >= 0xe000) return fail(j);
  *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
  return 1;
}

static int escape(struct json *j, char **to) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (j->at >= j->end) return fail(j);
  const char c = *j->at++;
  uint32_t point;
  if (c == 'u') {
    if (!code_point(j, &point)) return 0;
    *to = put(*to, point);
    return 1;
  }
  const char *found = c ? strchr(names, c) : NULL;
  if (!found) return fail(j);
  *(*to)++ = values[found - names];
  return 1;
}

int rf_json_string(struct json *j, struct text *text) {
  if (!take_char(j, '"')) return 0;
  char *to = j->at;
  text->at = to;
  while (j->at < j->end) {
    const char c = *j->at++;
    if (c == '"') {
      text->length = (size_t)(to - text->at);
      return 1;
    }
    if ((unsigned char)c < 0x20) return fail(j);
    if (c != '\\') {
      *to++ = c;
    } else if (!escape(j, &to)) {
      return 0;
    }
  }
  return fail(j);
}

int rf_json_key(struct json *j, struct text *key) { return rf_json_string(j, key) && take_char(j, ':'); }

static int is_digit(const struct json *j) { return j->at < j->end && *j->at >= '0' && *j->at <= '9'; }

/* Digits without a needless zero before them. */
static int digits(struct json *j, int64_t *value) {
  const char *from = j->at;
  for (*value = 0; is_digit(j); j->at++) {
    *value = *value < WHOLE_MOST ? *value * 10 + (*j->at - '0') : WHOLE_MOST;
  }
  return j->at == from || (*from == '0' && j->at - from > 1) ? fail(j) : 1;
}

int rf_json_whole(struct json *j, int64_t *value) {
  const int minus = peek(j) == '-';
  j->at += minus;
  if (j->spent || !digits(j, value)) return fail(j);
  if (*value >= WHOLE_MOST || (j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E'))) return fail(j);
  if (minus) *value = -*value;
  return 1;
}

/* Any number, for those who do not want it. */
static int number(struct json *j) {
  int64_t value;
  j->at += *j->at == '-';
  if (!digits(j, &value)) return 0;
  if (j->at < j->end && *j->at == '.') {
    j->at++;
    if (!is_digit(j)) return fail(j);
    while (is_digit(j)) j->at++;
  }
  if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
    j->at++;
    if (j->at < j->end && (*j->at == '+' || *j->at == '-')) j->at++;
    if (!is_digit(j)) return fail(j);
    while (is_digit(j)) j->at++;
  }
  return 1;
}

static int word(struct json *j, const char *name) {
  const size_t length = strlen(name);
  if ((size_t)(j->end - j->at) < length || memcmp(j->at, name, length) != 0) return fail(j);
  j->at += length;
  return 1;
}

int rf_json_truth(struct json *j, int *value) {
  *value = peek(j) == 't';
  return word(j, *value ? "true" : "false");
}

static int skip(struct json *j, int depth) {
  struct text text;
  const char first = peek(j);
  if (depth > DEEPEST || first == 0) return fail(j);
  if (first == '"') return rf_json_string(j, &text);
  if (first == 't' || first == 'f' || first == 'n')
    return word(j, first == 't' ? "true" : first == 'f' ? "false" : "null");
  if (first != '{' && first != '[') return number(j);
  int64_t count = 0;
  j->at++;
  while (rf_json_next(j, first, &count)) {
    if (first == '{' && !rf_json_key(j, &text)) return 0;
    if (!skip(j, depth + 1)) return 0;
  }
  return !j->spent;
}

int rf_json_skip(struct json *j) { return skip(j, 0); }

int rf_json_end(struct json *j) { return peek(j) == 0 && !j->spent && j->at == j->end; }
