/* stream_wav.c - plays a sound through a net, sample by sample, as an audio plug-in would: stream_wav NET IN.wav OUT.wav
 *
 * NET is a weights file of one input and one output, such as `python -m rnnfast.examples.effect` trains. Prints how many
 * times faster than the sound itself that was, and how long a step took. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#include <rnnfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wav.h"

static void check(int32_t status) {
  if (status == RF_OK) return;
  fprintf(stderr, "stream_wav: %s\n", rf_status_text(status));
  exit(1);
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* A net for one sample in, one out, in float32, that needs no sample of the future. */
static rf_net *load(const char *path) {
  rf_net *net;
  rf_net_sizes sizes = {.struct_size = sizeof sizes};
  check(rf_net_load(path, RF_ISA_AUTO, 1, &net));
  check(rf_net_get_sizes(net, &sizes));
  if (sizes.input_size == 1 && sizes.output_size == 1 && sizes.dtype == RF_F32 && sizes.steps_alone &&
      !sizes.takes_indices) {
    return net;
  }
  fprintf(stderr, "stream_wav: %s is no net of one input and one output in float32\n", path);
  exit(1);
}

/* Replaces every sample by what the net makes of it, and writes down how long that took. */
static void play(const rf_net *net, wav *sound, int64_t *took) {
  size_t state_bytes, scratch_bytes;
  check(rf_net_state_bytes(net, 1, &state_bytes));
  check(rf_net_workspace_bytes(net, 1, 1, &scratch_bytes));
  void *state = aligned_alloc(64, (state_bytes + 63) / 64 * 64);
  void *scratch = aligned_alloc(64, (scratch_bytes + 63) / 64 * 64);
  if (!state || !scratch) check(RF_ERROR_MEMORY);
  check(rf_net_state_reset(net, 1, state, NULL));
  for (size_t n = 0; n < sound->count; n++) {
    const float x = sound->samples[n];
    const int64_t before = nanoseconds();
    rf_net_step(net, 1, &x, &sound->samples[n], state, scratch); /* neither allocates nor waits for anyone */
    took[n] = nanoseconds() - before;
  }
  free(scratch);
  free(state);
}

int main(int count, char **words) {
  wav sound;
  if (count != 4) {
    fprintf(stderr, "usage: stream_wav NET IN.wav OUT.wav\n");
    return 2;
  }
  rf_net *net = load(words[1]);
  if (!wav_read(words[2], &sound) || sound.count == 0) {
    fprintf(stderr, "stream_wav: %s is no .wav file of one channel and 16 bits\n", words[2]);
    return 1;
  }
  int64_t *took = malloc(sound.count * sizeof *took), all = 0;
  if (!took) check(RF_ERROR_MEMORY);
  play(net, &sound, took);
  rf_net_free(net);
  for (size_t n = 0; n < sound.count; n++) all += took[n];
  qsort(took, sound.count, sizeof *took, by_size);
  printf("%zu samples, %.0f times as fast as they sound\n", sound.count,
         (double)sound.count / sound.rate / ((double)all * 1e-9));
  printf("a step, with the clock: half of them within %lld ns, 99.9%% within %lld ns, all within %lld ns\n",
         (long long)took[sound.count / 2], (long long)took[sound.count - 1 - sound.count / 1000],
         (long long)took[sound.count - 1]);
  const int written = wav_write(words[3], &sound);
  if (!written) fprintf(stderr, "stream_wav: cannot write %s\n", words[3]);
  free(took);
  free(sound.samples);
  return !written;
}
