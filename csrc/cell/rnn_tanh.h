/* rnn_tanh.h - the simple recurrent cell with f = tanh. */
#define ACTIVATION(a) v_tanh(a)
#define ACTIVATION_GRADIENT(d, h) v_mul(d, one_minus_square(h))
#include "cell/rnn.h"
