/* json.h - JSON read strictly, once, from beginning to end, in the caller's memory: strings are decoded where they stand.
 *
 * Every function returns 0 where the text is not what was asked for; the reader is then spent, and all later calls return
 * 0, too. Nothing is allocated. */
#ifndef RF_JSON_H
#define RF_JSON_H

#include <stddef.h>
#include <stdint.h>

struct json {
  char *at, *end;
  int spent;
};

/* UTF-8, perhaps with zeros in it. */
struct text {
  char *at;
  size_t length;
};

int rf_text_is(struct text text, const char *word);
int rf_is_utf8(struct text text);

int rf_json_fail(struct json *json);
char rf_json_peek(struct json *json); /* the next character behind space, 0 at the end */
int rf_json_take(struct json *json, char c); /* that character, which is to be this one */

/* Members of what begins with '{' or '[', once that was taken. Before each of them json_next: 1 where there is one, 0 after
 * the closing bracket, which it takes. `count` begins at 0 and counts members. */
int rf_json_next(struct json *json, char bracket, int64_t *count);

int rf_json_string(struct json *json, struct text *text);
int rf_json_key(struct json *json, struct text *key); /* a string and the colon behind it */
int rf_json_whole(struct json *json, int64_t *value); /* an integer within 2^53 */
int rf_json_number(struct json *json,
                   double *value); /* any number: its value but for the last digits, if within 2^53 */
int rf_json_truth(struct json *json, int *value);
int rf_json_skip(struct json *json); /* any value, not nested more than 64 deep */
int rf_json_end(struct json *json); /* nothing but space is left */

#endif
