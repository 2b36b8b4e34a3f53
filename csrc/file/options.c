/* options.c - what a file says of its parts. */
#include "file/options.h"

#include <stddef.h>

#include "file/names.h"

enum { VERSION = 1 };

enum { WHOLE, TRUTH, WORD, PASSED_OVER };

/* Where an option goes, by name. What only matters while training, or for the axes of arrays in Python, is passed over;
 * any other name might change what a net computes, and is not read. */
static const struct {
  const char *name;
  int kind;
  size_t offset;
} known[] = {
    {"input_size", WHOLE, offsetof(struct options, input_size)},
    {"hidden_size", WHOLE, offsetof(struct options, hidden_size)},
    {"proj_size", WHOLE, offsetof(struct options, proj_size)},
    {"num_layers", WHOLE, offsetof(struct options, num_layers)},
    {"in_features", WHOLE, offsetof(struct options, in_features)},
    {"out_features", WHOLE, offsetof(struct options, out_features)},
    {"num_embeddings", WHOLE, offsetof(struct options, num_embeddings)},
    {"embedding_dim", WHOLE, offsetof(struct options, embedding_dim)},
    {"bias", TRUTH, offsetof(struct options, bias)},
    {"bidirectional", TRUTH, offsetof(struct options, bidirectional)},
    {"reset_after", TRUTH, offsetof(struct options, reset_after)},
    {"masked_output", WORD, offsetof(struct options, masked_output)},
    {"nonlinearity", WORD, offsetof(struct options, nonlinearity)},
    {"function", WORD, offsetof(struct options, function)},
    {"batch_first", PASSED_OVER, 0},
    {"dropout", PASSED_OVER, 0},
    {"input_dropout", PASSED_OVER, 0},
    {"recurrent_dropout", PASSED_OVER, 0},
    {"dtype", PASSED_OVER, 0}, /* the tensors say it */
};

static int read_option(struct json *j, struct text name, struct options *options) {
  for (size_t n = 0; n < sizeof known / sizeof *known; n++) {
    if (!rf_text_is(name, known[n].name)) continue;
    void *to = (char *)options + known[n].offset;
    switch (known[n].kind) {
    case WHOLE:
      return rf_json_whole(j, to);
    case TRUTH:
      return rf_json_truth(j, to);
    case WORD:
      return rf_json_string(j, to);
    default:
      return rf_json_skip(j);
    }
  }
  return 0;
}

static int read_part(struct json *j, struct options *part) {
  struct text key;
  int64_t count = 0, options = 0;
  *part = (struct options){.num_layers = 1, .bias = 1, .reset_after = 1};
  if (!rf_json_open(j, '{')) return 0;
  while (rf_json_next(j, '{', &count)) {
    if (!rf_json_key(j, &key)) return 0;
    if (rf_text_is(key, "name")) {
      if (!rf_json_string(j, &part->name)) return 0;
    } else if (rf_text_is(key, "kind")) {
      if (!rf_json_string(j, &part->kind)) return 0;
    } else if (rf_text_is(key, "options")) {
      if (!rf_json_open(j, '{')) return 0;
      while (rf_json_next(j, '{', &options)) {
        if (!rf_json_key(j, &key) || !read_option(j, key, part)) return 0;
      }
    } else if (!rf_json_skip(j)) {
      return 0;
    }
  }
  return !j->spent && part->name.at != NULL && part->kind.at != NULL;
}

int rf_parts_read(struct text about, struct parts *parts) {
  struct json j = {about.at, about.at + about.length, 0};
  struct text key;
  int64_t members = 0, count = 0, version = 0;
  if (!rf_json_open(&j, '{')) return 0;
  while (rf_json_next(&j, '{', &members)) {
    if (!rf_json_key(&j, &key)) return 0;
    if (rf_text_is(key, "version")) {
      if (!rf_json_whole(&j, &version)) return 0;
    } else if (rf_text_is(key, "parts")) {
      if (count > 0 || !rf_json_open(&j, '[')) return 0;
      while (rf_json_next(&j, '[', &count)) {
        if (count > RF_FILE_PARTS_MOST || !read_part(&j, &parts->part[count - 1])) return 0;
      }
    } else if (!rf_json_skip(&j)) {
      return 0;
    }
  }
  if (!rf_json_end(&j) || version < 1 || version > VERSION || count == 0) return 0;
  parts->count = (int32_t)count;
  for (int32_t n = 0; n < parts->count; n++) parts->name[n] = parts->part[n].name;
  return rf_names_sort(parts->name, parts->count);
}
