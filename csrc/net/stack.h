/* stack.h - whole nets out of layers: what api/ calls once a problem is checked and its kernel is chosen. */
#ifndef RF_STACK_H
#define RF_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "include/rnnfast.h"
#include "kernel.h"

int32_t rf_stack_reserve_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes);
int32_t rf_stack_workspace_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes);
/* The same for inference, with packed weights, of these steps and rows or fewer. */
int32_t rf_stack_workspace_most(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes);
int32_t rf_stack_packed_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes);
int32_t rf_stack_pack(const struct rf_kernel *kernel, const rf_problem *p, void *packed);
/* Whether p->packed, which is not NULL, was made for this net by rf_stack_pack. */
int32_t rf_stack_packed_check(const struct rf_kernel *kernel, const rf_problem *p);
int32_t rf_stack_forward(const struct rf_kernel *kernel, const rf_problem *p);
int32_t rf_stack_backward(const struct rf_kernel *kernel, const rf_problem *p);
int32_t rf_stack_activation(const struct rf_kernel *kernel, const rf_problem *p, int32_t k, int32_t gate, void *out);

#endif
