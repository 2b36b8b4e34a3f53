/* options.c - what a file says of its parts. */
#include "file/options.h"

#include <stddef.h>
#include <string.h>

#include "file/names.h"

enum { VERSION = 1 };

static const char *const kinds[RF_FILE_KINDS] = {"RNN", "LSTM", "GRU", "Linear", "Embedding", "activation"};
enum {
  RNN = 1 << RF_FILE_RNN,
  GRU = 1 << RF_FILE_GRU,
  LSTM = 1 << RF_FILE_LSTM,
  NETS = RNN | LSTM | GRU,
  LINEAR = 1 << RF_FILE_LINEAR,
  EMBEDDING = 1 << RF_FILE_EMBEDDING,
  ACTIVATION = 1 << RF_FILE_ACTIVATION
};

/* Every option: the kinds that have it, what its values are, and where these go. */
static const struct {
  const char *name;
  int kinds;
  enum { WHOLE, TRUTH, WORD, PROBABILITY } values;
  size_t offset;
} known[] = {
    {"input_size", NETS, WHOLE, offsetof(struct options, input_size)},
    {"hidden_size", NETS, WHOLE, offsetof(struct options, hidden_size)},
    {"num_layers", NETS, WHOLE, offsetof(struct options, num_layers)},
    {"bias", NETS | LINEAR, TRUTH, offsetof(struct options, bias)},
    {"bidirectional", NETS, TRUTH, offsetof(struct options, bidirectional)},
    {"masked_output", NETS, WORD, offsetof(struct options, masked_output)},
    {"batch_first", NETS, TRUTH, offsetof(struct options, batch_first)},
    {"dropout", NETS, PROBABILITY, offsetof(struct options, dropout)},
    {"input_dropout", NETS, PROBABILITY, offsetof(struct options, input_dropout)},
    {"recurrent_dropout", NETS, PROBABILITY, offsetof(struct options, recurrent_dropout)},
    {"dtype", NETS | LINEAR | EMBEDDING, WORD, offsetof(struct options, dtype)},
    {"weights", NETS, WORD, offsetof(struct options, weights)},
    {"nonlinearity", RNN, WORD, offsetof(struct options, nonlinearity)},
    {"proj_size", LSTM, WHOLE, offsetof(struct options, proj_size)},
    {"reset_after", GRU, TRUTH, offsetof(struct options, reset_after)},
    {"in_features", LINEAR, WHOLE, offsetof(struct options, in_features)},
    {"out_features", LINEAR, WHOLE, offsetof(struct options, out_features)},
    {"num_embeddings", EMBEDDING, WHOLE, offsetof(struct options, num_embeddings)},
    {"embedding_dim", EMBEDDING, WHOLE, offsetof(struct options, embedding_dim)},
    {"function", ACTIVATION, WORD, offsetof(struct options, function)},
};

/* Whether a member is there for the first time. */
static int is_first(uint32_t *seen, size_t member) {
  const uint32_t bit = UINT32_C(1) << member;
  const int first = !(*seen & bit);
  *seen |= bit;
  return first;
}

static int read_value(struct json *j, int values, void *to) {
  switch (values) {
  case WHOLE:
    return rf_json_whole(j, to);
  case TRUTH:
    return rf_json_truth(j, to);
  case WORD:
    return rf_json_string(j, to);
  default:
    return rf_json_number(j, to) && *(double *)to >= 0 && *(double *)to < 1;
  }
}

/* Takes the kinds that do not have all of these options out of `able`. */
static int read_options(struct json *j, struct options *options, int *able) {
  struct text name;
  int64_t count = 0;
  uint32_t seen = 0;
  if (!rf_json_take(j, '{')) return 0;
  while (rf_json_next(j, '{', &count)) {
    size_t n = 0;
    if (!rf_json_key(j, &name)) return 0;
    while (n < sizeof known / sizeof *known && !rf_text_is(name, known[n].name)) n++;
    if (n == sizeof known / sizeof *known || !is_first(&seen, n)) return 0;
    if (!read_value(j, known[n].values, (char *)options + known[n].offset)) return 0;
    *able &= known[n].kinds;
  }
  return !j->spent;
}

static int read_kind(struct json *j, enum rf_file_kind *kind) {
  struct text name;
  if (!rf_json_string(j, &name)) return 0;
  for (int n = 0; n < RF_FILE_KINDS; n++) {
    if (!rf_text_is(name, kinds[n])) continue;
    *kind = n;
    return 1;
  }
  return 0;
}

static int read_part(struct json *j, struct options *part) {
  enum { NAME, KIND, OPTIONS, ALL = 1 << NAME | 1 << KIND | 1 << OPTIONS };
  struct text key;
  int64_t count = 0;
  uint32_t seen = 0;
  int able = -1, right = 1;
  *part = (struct options){.num_layers = 1, .bias = 1, .reset_after = 1};
  if (!rf_json_take(j, '{')) return 0;
  while (right && rf_json_next(j, '{', &count)) {
    if (!rf_json_key(j, &key)) return 0;
    if (rf_text_is(key, "name")) {
      right = is_first(&seen, NAME) && rf_json_string(j, &part->name);
    } else if (rf_text_is(key, "kind")) {
      right = is_first(&seen, KIND) && read_kind(j, &part->kind);
    } else if (rf_text_is(key, "options")) {
      right = is_first(&seen, OPTIONS) && read_options(j, part, &able);
    } else {
      right = rf_json_skip(j);
    }
  }
  return right && !j->spent && seen == ALL && (able & 1 << part->kind) &&
         !memchr(part->name.at, '.', part->name.length);
}

static int read_list(struct json *j, struct parts *parts) {
  int64_t count = 0;
  if (!rf_json_take(j, '[')) return 0;
  while (rf_json_next(j, '[', &count)) {
    if (count > RF_FILE_PARTS_MOST || !read_part(j, &parts->part[count - 1])) return 0;
    parts->name[count - 1] = parts->part[count - 1].name;
  }
  parts->count = (int32_t)count;
  return !j->spent && count > 0;
}

int rf_parts_read(struct text about, struct parts *parts) {
  enum { MADE_BY, PARTS, ALL = 1 << MADE_BY | 1 << PARTS };
  struct json j = {about.at, about.at + about.length, 0};
  struct text key;
  int64_t members = 0, version = 0;
  uint32_t seen = 0;
  int right = 1;
  if (!rf_json_take(&j, '{')) return 0;
  while (right && rf_json_next(&j, '{', &members)) {
    if (!rf_json_key(&j, &key)) return 0;
    if (rf_text_is(key, "version")) {
      right = is_first(&seen, MADE_BY) && rf_json_whole(&j, &version);
    } else if (rf_text_is(key, "parts")) {
      right = is_first(&seen, PARTS) && read_list(&j, parts);
    } else {
      right = rf_json_skip(&j);
    }
  }
  if (!right || !rf_json_end(&j) || seen != ALL || version < 1 || version > VERSION) return 0;
  return rf_names_sort(parts->name, parts->count) && (parts->count == 1 || parts->name[0].length > 0);
}
