/* numbers.c - the numbers of a JSON text: whole ones, and any. */
#include "file/json.h"

#define WHOLE_MOST (INT64_C(1) << 53)

static int is_digit(const struct json *j) { return j->at < j->end && *j->at >= '0' && *j->at <= '9'; }

/* Digits without a needless zero before them. */
static int digits(struct json *j, int64_t *value) {
  const char *from = j->at;
  for (*value = 0; is_digit(j); j->at++) {
    *value = *value < WHOLE_MOST ? *value * 10 + (*j->at - '0') : WHOLE_MOST;
  }
  return j->at == from || (*from == '0' && j->at - from > 1) ? rf_json_fail(j) : 1;
}

int rf_json_whole(struct json *j, int64_t *value) {
  const int minus = rf_json_peek(j) == '-';
  j->at += minus;
  if (j->spent || !digits(j, value)) return rf_json_fail(j);
  if (*value >= WHOLE_MOST || (j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E')))
    return rf_json_fail(j);
  if (minus) *value = -*value;
  return !minus || *value < 0 ? 1 : rf_json_fail(j); /* there is no whole number -0 */
}

/* What follows e or E, no more than 999. */
static int power_of_ten(struct json *j, int *power) {
  const int minus = j->at < j->end && *j->at == '-';
  if (minus || (j->at < j->end && *j->at == '+')) j->at++;
  if (!is_digit(j)) return rf_json_fail(j);
  for (*power = 0; is_digit(j); j->at++) *power = *power < 100 ? *power * 10 + (*j->at - '0') : 999;
  if (minus) *power = -*power;
  return 1;
}

int rf_json_number(struct json *j, double *value) {
  const int minus = rf_json_peek(j) == '-';
  int64_t before;
  int power = 0;
  j->at += minus;
  if (j->spent || !digits(j, &before)) return rf_json_fail(j);
  *value = (double)before;
  if (j->at < j->end && *j->at == '.') {
    double place = 1;
    j->at++;
    if (!is_digit(j)) return rf_json_fail(j);
    for (; is_digit(j); j->at++) *value += (place /= 10) * (*j->at - '0');
  }
  if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
    j->at++;
    if (!power_of_ten(j, &power)) return 0;
  }
  for (; power > 0; power--) *value *= 10;
  for (; power < 0; power++) *value /= 10;
  if (minus) *value = -*value;
  return 1;
}
