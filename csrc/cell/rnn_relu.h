/* rnn_relu.h - the simple recurrent cell with f = max(0, .); its slope at 0 is 0. */
#define ACTIVATION(a) v_max(v_set1(0), a)
#define ACTIVATION_GRADIENT(d, h) v_if_greater(h, v_set1(0), d, v_set1(0))
#include "cell/rnn.h"
