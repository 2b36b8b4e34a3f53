/* plain.c - the loops that one would write oneself for a step of an LSTM, GRU or RNN; latency.sh compiles them per compiler
 * and vector width. ROWS: a sum for every gate. Otherwise column after column of the weights, transposed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST 256 /* units */

struct plain {
  int inputs, hidden, gates;
  float *w, *u, *b, *q; /* (gates, inputs), (gates, hidden) or transposed; biases of x and of h */
  float h[MOST], c[MOST];
};

static void product(int gates, int n, const float *restrict w, const float *restrict x, float *restrict sum) {
#ifdef ROWS
  for (int g = 0; g < gates; g++) {
    float s = 0;
    for (int k = 0; k < n; k++) s += w[g * n + k] * x[k];
    sum[g] += s;
  }
#else
  for (int k = 0; k < n; k++) {
    const float left = x[k];
    for (int g = 0; g < gates; g++) sum[g] += w[k * gates + g] * left;
  }
#endif
}

static float logistic(float a) { return 1 / (1 + expf(-a)); }

void *PLAIN(make)(int inputs, int hidden, int gates) {
  struct plain *p = calloc(1, sizeof *p);
  float **const part[] = {&p->w, &p->u, &p->b, &p->q};
  const int count[] = {gates * hidden * inputs, gates * hidden * hidden, gates * hidden, gates * hidden};
  p->inputs = inputs, p->hidden = hidden, p->gates = gates;
  for (int i = 0; i < 4; i++) {
    *part[i] = aligned_alloc(64, ((size_t)count[i] * sizeof(float) + 63) / 64 * 64);
    for (int k = 0; k < count[i]; k++) (*part[i])[k] = ((float)(rand() % 2001) / 1000 - 1) / sqrtf((float)hidden);
  }
  return p;
}

void PLAIN(step)(void *net, const float *x, float *y) {
  struct plain *p = net;
  const int n = p->hidden, all = p->gates * n;
  float a[4 * MOST], r[4 * MOST];
  memcpy(a, p->b, (size_t)all * sizeof *a);
  product(all, p->inputs, p->w, x, a);
  if (p->gates == 3) { /* GRU, the reset gate after the product */
    memcpy(r, p->q, (size_t)all * sizeof *r);
    product(all, n, p->u, p->h, r);
    for (int i = 0; i < n; i++) {
      const float z = logistic(a[n + i] + r[n + i]);
      const float candidate = tanhf(a[2 * n + i] + logistic(a[i] + r[i]) * r[2 * n + i]);
      p->h[i] = candidate + z * (p->h[i] - candidate);
    }
  } else {
    product(all, n, p->u, p->h, a);
    for (int i = 0; i < n && p->gates == 4; i++) {
      p->c[i] = logistic(a[n + i]) * p->c[i] + logistic(a[i]) * tanhf(a[2 * n + i]);
      p->h[i] = logistic(a[3 * n + i]) * tanhf(p->c[i]);
    }
    for (int i = 0; i < n && p->gates == 1; i++) p->h[i] = tanhf(a[i]);
  }
  memcpy(y, p->h, (size_t)n * sizeof *y);
}
