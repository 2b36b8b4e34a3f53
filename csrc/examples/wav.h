/* wav.h - sound of one channel and 16-bit samples, read from and written to .wav files; for C and C++. */
#ifndef WAV_H
#define WAV_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct wav {
  uint32_t rate;
  size_t count;
  float *samples; /* within -1..1; to be freed */
} wav;

static inline uint32_t wav_number(const unsigned char *bytes, int count) {
  uint32_t number = 0;
  while (count-- > 0) number = number << 8 | bytes[count];
  return number;
}

/* The samples of a chunk of so many bytes. Returns 0 where they are not there. */
static inline int wav_samples(FILE *file, uint32_t bytes, wav *sound) {
  unsigned char two[2];
  sound->samples = (float *)malloc((bytes / 2 + 1) * sizeof(float));
  for (sound->count = 0; sound->samples && sound->count < bytes / 2; sound->count++) {
    if (fread(two, 1, 2, file) != 2) return 0;
    sound->samples[sound->count] = (float)(int16_t)wav_number(two, 2) / 32768;
  }
  return sound->samples != NULL;
}

/* Reads a file; 0 where it cannot, or is of another kind. */
static inline int wav_read(const char *path, wav *sound) {
  unsigned char head[12], format[16];
  int known = 0, done = 0;
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  memset(sound, 0, sizeof *sound);
  known = fread(head, 1, 12, file) == 12 && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WAVE", 4) == 0;
  while (known && !done && fread(head, 1, 8, file) == 8) {
    const uint32_t bytes = wav_number(head + 4, 4);
    if (memcmp(head, "fmt ", 4) == 0 && bytes >= 16 && fread(format, 1, 16, file) == 16) {
      known = wav_number(format, 2) == 1 && wav_number(format + 2, 2) == 1 && wav_number(format + 14, 2) == 16;
      sound->rate = wav_number(format + 4, 4);
      fseek(file, (long)(bytes - 16 + bytes % 2), SEEK_CUR);
    } else if (memcmp(head, "data", 4) == 0 && sound->rate) {
      done = known = wav_samples(file, bytes, sound);
    } else {
      fseek(file, (long)(bytes + bytes % 2), SEEK_CUR);
    }
  }
  fclose(file);
  if (!done) free(sound->samples);
  return done;
}

static inline void wav_put(FILE *file, uint32_t number, int count) {
  for (; count > 0; count--, number >>= 8) fputc((int)(number & 0xff), file);
}

/* Writes a file; 0 where it cannot. */
static inline int wav_write(const char *path, const wav *sound) {
  const uint32_t bytes = (uint32_t)sound->count * 2;
  FILE *file = fopen(path, "wb");
  if (!file) return 0;
  fputs("RIFF", file);
  wav_put(file, bytes + 36, 4);
  fputs("WAVEfmt ", file);
  wav_put(file, 16, 4);
  wav_put(file, 1, 2); /* numbers as they are */
  wav_put(file, 1, 2); /* one channel */
  wav_put(file, sound->rate, 4);
  wav_put(file, sound->rate * 2, 4);
  wav_put(file, 2, 2);
  wav_put(file, 16, 2);
  fputs("data", file);
  wav_put(file, bytes, 4);
  for (size_t n = 0; n < sound->count; n++) {
    const float loud = sound->samples[n] * 32768, most = loud > 32767 ? 32767 : loud < -32768 ? -32768 : loud;
    wav_put(file, (uint32_t)(int32_t)most, 2);
  }
  return fclose(file) == 0;
}

#endif
