/* lstm_step.c - a C program that embeds rnnfast: one LSTM step of one unit, against the equations in double. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rnnfast.h"

static double logistic(double a) { return 1 / (1 + exp(-a)); }

static void check(int32_t status) {
  if (status != RF_OK) {
    fprintf(stderr, "%s\n", rf_status_text(status));
    exit(1);
  }
}

int main(void) {
  /* Gates i f g o: each has one weight of x, one of h, and two biases. */
  const double w[4] = {0.5, -0.25, 0.75, 1}, u[4] = {-0.5, 1, 0.25, 0.125}, b[4] = {0.1, 1, -0.2, 0.3}, zero[4] = {0};
  const void *weight_ih[] = {w}, *weight_hh[] = {u}, *bias_ih[] = {b}, *bias_hh[] = {zero};
  const double x = 0.7, h = -0.4, c = 0.9;
  double y, h_n, c_n;
  rf_problem problem = {
      .struct_size = sizeof problem,
      .cell = rf_cell_id("lstm"),
      .dtype = RF_F64,
      .weight_dtype = RF_F64,
      .isa = RF_ISA_AUTO,
      .num_layers = 1,
      .num_directions = 1,
      .steps = 1,
      .batch = 1,
      .input_size = 1,
      .hidden_size = 1,
      .state_size = 1,
      .t1 = 1,
      .weight_ih = weight_ih,
      .weight_hh = weight_hh,
      .bias_ih = bias_ih,
      .bias_hh = bias_hh,
      .x = &x,
      .x_stride_t = 1,
      .x_stride_b = 1,
      .y = &y,
      .y_stride_t = 1,
      .y_stride_b = 1,
      .h0 = &h,
      .c0 = &c,
      .h_n = &h_n,
      .c_n = &c_n,
  };
  check(rf_workspace_bytes(&problem, &problem.workspace_bytes));
  problem.workspace = aligned_alloc(64, (problem.workspace_bytes + 63) / 64 * 64);
  check(rf_forward(&problem));
  free(problem.workspace);

  double gate[4];
  for (int k = 0; k < 4; k++) gate[k] = w[k] * x + u[k] * h + b[k];
  double c_true = logistic(gate[1]) * c + logistic(gate[0]) * tanh(gate[2]);
  double h_true = logistic(gate[3]) * tanh(c_true);
  printf("rnnfast %s, %s: h = %.17g, expected %.17g\n", rf_version(), rf_compiler(), h_n, h_true);
  return !(fabs(h_n - h_true) < 1e-14 && fabs(c_n - c_true) < 1e-14 && y == h_n);
}
