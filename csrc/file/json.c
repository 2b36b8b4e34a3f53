/* json.c - JSON read strictly, once, from beginning to end. */
#include "file/json.h"

#include <string.h>

enum { DEEPEST = 64 };

int rf_json_fail(struct json *j) {
  j->spent = 1;
  return 0;
}

int rf_text_is(struct text text, const char *word) {
  return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

char rf_json_peek(struct json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
  return !j->spent && j->at < j->end ? *j->at : 0;
}

int rf_json_take(struct json *j, char c) {
  if (rf_json_peek(j) != c) return rf_json_fail(j);
  j->at++;
  return 1;
}

int rf_json_next(struct json *j, char bracket, int64_t *count) {
  const char close = bracket == '{' ? '}' : ']';
  if (rf_json_peek(j) == close) {
    j->at++;
    return 0;
  }
  if (*count > 0 && !rf_json_take(j, ',')) return 0;
  ++*count;
  return j->spent || j->at >= j->end ? rf_json_fail(j) : 1;
}

int rf_json_key(struct json *j, struct text *key) { return rf_json_string(j, key) && rf_json_take(j, ':'); }

static int word(struct json *j, const char *name) {
  const size_t length = strlen(name);
  if (j->spent || (size_t)(j->end - j->at) < length || memcmp(j->at, name, length) != 0) return rf_json_fail(j);
  j->at += length;
  return 1;
}

int rf_json_truth(struct json *j, int *value) {
  *value = rf_json_peek(j) == 't';
  return word(j, *value ? "true" : "false");
}

static int skip(struct json *j, int depth) {
  struct text text;
  double number;
  const char first = rf_json_peek(j);
  if (depth > DEEPEST || first == 0) return rf_json_fail(j);
  if (first == '"') return rf_json_string(j, &text);
  if (first == 't' || first == 'f' || first == 'n')
    return word(j, first == 't' ? "true" : first == 'f' ? "false" : "null");
  if (first != '{' && first != '[') return rf_json_number(j, &number);
  int64_t count = 0;
  j->at++;
  while (rf_json_next(j, first, &count)) {
    if (first == '{' && !rf_json_key(j, &text)) return 0;
    if (!skip(j, depth + 1)) return 0;
  }
  return !j->spent;
}

int rf_json_skip(struct json *j) { return skip(j, 0); }

int rf_json_end(struct json *j) { return rf_json_peek(j) == 0 && !j->spent && j->at == j->end; }
