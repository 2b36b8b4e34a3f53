/* replay.h - problems and expected results as tests/helpers/recorded.py writes them, for replay.c to read. */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a problem begins with. Its arrays follow, each its bytes as an int64, 0 where there is none, and then these, filled up
 * to a multiple of 64: first the inputs, then the results that are expected. */
struct header {
  char name[64], cell[32]; /* of a cell, or of an element-wise function */
  int64_t function; /* -1: a net */
  int64_t dtype, weights, layers, directions, steps, batch, inputs, hidden, state, hold;
  uint64_t dropout_seed;
  int64_t first_row;
  double dropout, input_dropout, recurrent_dropout;
};

enum { WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH, WEIGHT_HR, TABLES };
enum { X, H0, C0, DY, DH_N, DC_N, LENGTHS, MASK, RESETS, HEAD_WEIGHT, HEAD_BIAS, INPUTS };
enum { Y, H_N, C_N, DX, DH0, DC0, HEAD_Y, OUTPUTS };
enum { LAYERS_MOST = 8 };
static const char *const table_names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
static const char *const output_names[] = {"y", "h_n", "c_n", "dx", "dh0", "dc0", "y"};

struct array {
  char *data; /* NULL where there is none */
  int64_t bytes;
};

/* Arrays lie in the file's bytes. */
struct problem {
  const struct header *header;
  struct array weight[TABLES][LAYERS_MOST], input[INPUTS];
  struct array gradient[TABLES][LAYERS_MOST], output[OUTPUTS];
};

struct file {
  char *at, *end;
};

static void stop(const char *why) {
  fprintf(stderr, "replay: %s\n", why);
  exit(2);
}

static void *lines(int64_t bytes) {
  void *memory = aligned_alloc(64, (size_t)(bytes + 64) / 64 * 64);
  if (memory == NULL) stop("no memory");
  return memory;
}

static struct file file_read(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) stop("cannot open the file");
  const long bytes = ftell(file);
  char *data = lines(bytes);
  rewind(file);
  if (fread(data, 1, (size_t)bytes, file) != (size_t)bytes) stop("cannot read the file");
  fclose(file);
  return (struct file){data, data + bytes};
}

static char *file_take(struct file *file, int64_t bytes) {
  char *data = file->at;
  if (bytes < 0 || bytes > file->end - file->at) stop("the file is cut short");
  file->at += (bytes + 63) / 64 * 64;
  return data;
}

static struct array array_take(struct file *file) {
  const int64_t bytes = *(const int64_t *)file_take(file, sizeof bytes);
  return (struct array){bytes ? file_take(file, bytes) : NULL, bytes};
}

static void arrays_take(struct file *file, struct array *arrays, int count) {
  for (int i = 0; i < count; i++) arrays[i] = array_take(file);
}

static struct problem problem_take(struct file *file) {
  struct problem p = {.header = (const struct header *)file_take(file, sizeof *p.header)};
  if (p.header->function >= 0) {
    p.input[X] = array_take(file);
    p.output[Y] = array_take(file);
    return p;
  }
  const int count = (int)(p.header->layers * p.header->directions);
  if (count > LAYERS_MOST) stop("a problem has more layers than there is room for");
  for (int t = 0; t < TABLES; t++) arrays_take(file, p.weight[t], count);
  arrays_take(file, p.input, INPUTS);
  arrays_take(file, p.output, OUTPUTS);
  for (int t = 0; t < TABLES; t++) arrays_take(file, p.gradient[t], count);
  return p;
}

#endif
