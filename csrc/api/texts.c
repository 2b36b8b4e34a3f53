/* texts.c - what the library says of itself: its version, its compiler, and a sentence for each status. */
#include <stddef.h>
#include <stdint.h>

#include "include/rnnfast.h"

#ifndef RF_VERSION
#define RF_VERSION "0.1.0"
#endif

#ifdef __clang__
#define RF_COMPILER __VERSION__ /* names itself */
#else
#define RF_COMPILER "gcc " __VERSION__
#endif

const char *rf_version(void) { return RF_VERSION; }

const char *rf_compiler(void) { return RF_COMPILER; }

const char *rf_status_text(int32_t status) {
  static const char *const texts[] = {
      [RF_OK] = "success",
      [RF_ERROR_STRUCT_SIZE] =
          "struct_size is more than this library's sizeof(rf_problem), so that the caller was compiled "
          "against a newer rnnfast.h than that of the library it loads, or less than any "
          "supported rnnfast.h has; of other records, it is not what rnnfast.h says",
      [RF_ERROR_CELL] =
          "cell is not an id that rf_cell_id returns, or a file has one that the library was not built for",
      [RF_ERROR_DTYPE] = "dtype is neither RF_F32 nor RF_F64, or one that the library was not built for, or "
                         "that of a part of a net differs from it, or weight_dtype does and is neither RF_BF16 nor "
                         "RF_I8, which inference with RF_F32 and no reserve alone has, or product_dtype is "
                         "neither 0 nor RF_BF16, which calls with RF_F32 and weights of it alone have and "
                         "nets made once have not",
      [RF_ERROR_ISA] = "isa is neither RF_ISA_AUTO nor an id that rf_isa_id returns, or the environment variable "
                       "RNNFAST_ISA names no instruction set of this library",
      [RF_ERROR_UNSUPPORTED] = "this processor cannot run the instruction set that isa or the environment variable "
                               "RNNFAST_ISA asks for; rf_isa_reason says why, or lacks the products of bfloat16 that "
                               "product_dtype asks for, which avx512 has on processors with AMX or a fast AVX512_BF16",
      [RF_ERROR_SHAPE] =
          "a size is negative, zero where it may not be or beyond 2^31 - 1, num_directions is neither 1 "
          "nor 2, state_size differs from hidden_size or, of a cell that projects, is not 1 to hidden_size, "
          "input_size or a part's inputs differ from what is below, "
          "only_direction is set for more than one layer, or a net has activations alone, which have no size",
      [RF_ERROR_RANGE] =
          "steps t0..t1, a length, a dropout probability, first_row, first_step, first_layer, only_direction, "
          "masked_output, the kind of a part, a weight that RF_I8 cannot hold because it is not finite or beyond "
          "3.402e38, an index, a row or the number of threads (environment variable RNNFAST_NUM_THREADS) is out of "
          "range, or a net with a reverse direction was given fewer than all steps",
      [RF_ERROR_NULL] = "an array that this call needs is NULL, or only one of the two biases is",
      [RF_ERROR_SIZE] = "the bytes of an array are more than can be addressed",
      [RF_ERROR_PACKED] = "packed was made for another net, number type or instruction set, or by another version",
      [RF_ERROR_ALIGNMENT] = "reserve, workspace or packed does not begin at a multiple of 64 bytes",
      [RF_ERROR_WORKSPACE_BYTES] =
          "workspace_bytes is less than this call needs: rf_workspace_bytes of the same record, "
          "with reserve set for backward and the same num_threads, says how much",
      [RF_ERROR_RESERVE_BYTES] = "reserve_bytes is less than this net needs: rf_reserve_bytes says how much",
      [RF_ERROR_PACKED_BYTES] = "packed_bytes is less than this net needs: rf_packed_bytes says how much",
      [RF_ERROR_MEMORY] = "there is no memory for this, or the system starts no more threads",
      [RF_ERROR_FILE] = "the file cannot be opened or read",
      [RF_ERROR_FORMAT] = "this is no weights file of rnnfast, or it is damaged, was written by a later version or has "
                          "parts, options or tensors that a net does not take",
  };
  return status >= 0 && status < (int32_t)(sizeof texts / sizeof *texts) ? texts[status] : "no such status";
}
