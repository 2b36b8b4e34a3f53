/* lstm_proj.h - long short-term memory whose h' is a projection (Sak, Senior and Beaufays 2014): h' = W_hr (o tanh(c')). */
#define CELL_PROJECTS 1
#include "cell/lstm.h"
