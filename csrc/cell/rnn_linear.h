/* rnn_linear.h - the simple recurrent cell with f the identity. */
#define ACTIVATION(a) (a)
#define ACTIVATION_GRADIENT(d, h) ((void)(h), (d))
#include "cell/rnn.h"
