/* rnnfast.h - the whole public C interface: recurrent networks, forward and back-propagation through time.
 *
 * One record, `rf_problem`, describes a net of num_layers x num_directions layers, its arrays and its options; the
 * calls below read it and write only the arrays it names. A handle, `rf_net`, is a net made once from such a record or
 * from a file, for steps and inference that repeat. Nothing here allocates memory for results or scratch, exits
 * or prints: functions return a status. Large work is shared with threads that the first such call starts and
 * that sleep in between; they end with the process.
 *
 * A training step:  rf_reserve_bytes, rf_workspace_bytes -> rf_forward (reserve set) -> rf_backward (same reserve).
 * Inference:        rf_workspace_bytes -> rf_forward with reserve = NULL; rf_pack once, if the weights do not change.
 * A net that runs again and again, step by step: rf_net_create or rf_net_load once, then rf_net_step.
 */
#ifndef RNNFAST_H
#define RNNFAST_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define RF_API __declspec(dllexport)
#elif defined(__GNUC__)
#define RF_API __attribute__((visibility("default")))
#else
#define RF_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The library: statuses, what it was built for, its threads --------------------------------------------------- */

/* What every call returns; rf_status_text has a sentence for each. */
typedef enum rf_status {
  RF_OK = 0,
  RF_ERROR_STRUCT_SIZE, /* the caller was compiled against a newer header than the library's, or one too old */
  RF_ERROR_CELL,        /* no such cell */
  RF_ERROR_DTYPE,       /* no such number type, or weights of another type than the rest */
  RF_ERROR_ISA,         /* no such instruction set, or RNNFAST_ISA names none */
  RF_ERROR_UNSUPPORTED, /* this processor lacks the instruction set that was asked for */
  RF_ERROR_SHAPE, /* a size is negative or zero where it may not be, or beyond 2^31 - 1; one direction of several layers */
  RF_ERROR_RANGE, /* t0, t1, a length or a probability out of range; a chunk of a net that must see all steps */
  RF_ERROR_NULL, /* an array that this call needs is NULL */
  RF_ERROR_SIZE, /* the byte count of a buffer overflows */
  RF_ERROR_PACKED, /* `packed` was made for another net, number type or instruction set, or by another version */
  RF_ERROR_ALIGNMENT, /* reserve, workspace or packed does not begin at a multiple of 64 bytes */
  RF_ERROR_WORKSPACE_BYTES, /* workspace_bytes is less than this call needs: what rf_workspace_bytes says */
  RF_ERROR_RESERVE_BYTES, /* reserve_bytes is less than rf_reserve_bytes says */
  RF_ERROR_PACKED_BYTES, /* packed_bytes is less than rf_packed_bytes says */
  RF_ERROR_MEMORY, /* there is no memory for a net */
  RF_ERROR_FILE, /* a file cannot be opened or read */
  RF_ERROR_FORMAT /* not a weights file, a damaged one, or one of a later version or of parts that nets here cannot have */
} rf_status;

enum { RF_F32 = 0, RF_F64 = 1 }; /* dtype */
enum { RF_BF16 = 2, RF_I8 = 3 }; /* weight_dtype, of RF_F32 */
enum { RF_MASKED_ZERO = 0, RF_MASKED_HOLD = 1 }; /* masked_output: what y holds at a step that is not live */
enum { RF_ISA_AUTO = -1 }; /* isa: RNNFAST_ISA if set, else the best that this processor runs */
enum {
  RF_BLOCK_STEPS = 64
}; /* calls with t0 and t1 at multiples of it sum weight gradients as one call does, bit by bit */

/* Cells, number types and instruction sets, best first: avx512, avx2 and scalar on x86-64, neon and scalar on 64-bit Arm,
 * scalar elsewhere. An id is negative where the name is unknown, a name NULL where the id is. rf_isa_reason: NULL if it
 * runs here, else why not. rf_isa_default: what RF_ISA_AUTO stands for. */
RF_API const char *rf_version(void);
RF_API const char *rf_compiler(void);
RF_API const char *rf_status_text(int32_t status);
RF_API int32_t rf_cell_id(const char *name);
RF_API const char *rf_cell_name(int32_t cell);
RF_API int32_t rf_isa_id(const char *name);
RF_API const char *rf_isa_name(int32_t isa);
RF_API const char *rf_isa_reason(int32_t isa);
RF_API int32_t rf_isa_default(int32_t *isa);

/* How many threads a call may use, the caller's among them: what was set, else RNNFAST_NUM_THREADS, else the processors
 * available: those of the affinity mask, or fewer where a control group's quota pays for fewer. A call uses fewer while
 * others keep the processors so busy that one thread is faster; results never depend on it. Where that variable holds no
 * number above 0: -RF_ERROR_RANGE, and calls with num_threads = 0 fail. */
RF_API int32_t rf_set_num_threads(int32_t n);
RF_API int32_t rf_get_num_threads(void);

/* The threads that large calls share work with. rf_threads_warm_up starts n - 1 of them now rather than in the first such
 * call, and returns once they are there, RF_ERROR_MEMORY where the system gives fewer. rf_threads_shut_down ends them and
 * has joined all of them when it returns; a later call starts them anew. They run the library's code even while they sleep:
 * a plug-in that holds this library as a static one calls rf_threads_shut_down before it is unloaded, or is linked with
 * `-z nodelete`, as the shared library is. rf_threads_set_spin says for how many nanoseconds a thread that has nothing to do
 * waits for the next call before it sleeps, 40,000 unless set: 0 leaves the processor at once, INT64_MAX never does.
 * RF_ERROR_RANGE for n < 1 or a negative time. */
RF_API int32_t rf_threads_warm_up(int32_t n);
RF_API int32_t rf_threads_shut_down(void);
RF_API int32_t rf_threads_set_spin(int64_t nanoseconds);

/* Threads of another library for a call to work on in place of the pool: an OpenMP runtime's GOMP_parallel, or a function
 * like it, which calls work(data) once on each of `threads` threads, or on fewer, the caller's among them, all at once, and
 * returns when these have returned. Such a library's threads go on spinning for milliseconds after its own work; workers of
 * the pool would find the processors taken. `flags` is 0, `threads` the call's num_threads where that is set, although fewer
 * may find work: a runtime ends threads that it is not asked for. A forked child does without, as the runtime's threads are
 * not there. */
typedef void (*rf_team)(void (*work)(void *data), void *data, unsigned threads, unsigned flags);

/* ---- One call of a net, whose record and memory are the caller's: rf_problem ------------------------------------- */

/* Sizes: T = steps, B = batch, I = input_size, H = hidden_size, L = num_layers, D = num_directions, G = gates.
 * Arrays hold `dtype` numbers, aligned to them. Per-layer tables have L*D entries, layer l direction d at l*D + d, and
 * every entry is a dense row-major matrix in PyTorch's gate order. Strides count elements and may be zero or negative;
 * the last axis is contiguous. P = state_size, the numbers of h: H, unless the cell projects (lstm_proj). States are dense,
 * h (L*D, B, P) and c (L*D, B, H). NULL where optional, as noted.
 *
 * The record grows at its end alone. struct_size says which fields a caller knows: those behind count as zero, which
 * always means what the library did before it had them. So a library serves callers compiled against its own header and
 * all older ones, back to the first that ended in packed_bytes. A larger struct_size is refused with RF_ERROR_STRUCT_SIZE:
 * fields that the library does not know might matter. */
typedef struct rf_problem {
  size_t struct_size; /* sizeof(rf_problem) */
  int32_t cell; /* from rf_cell_id */
  int32_t dtype; /* RF_F32 or RF_F64 */
  int32_t weight_dtype; /* the same as dtype or, for inference, a narrower type that weights are kept in: see there */
  int32_t isa; /* RF_ISA_AUTO or from rf_isa_id */
  int32_t num_layers;
  int32_t num_directions; /* 1 or 2 */
  int64_t steps; /* T: bounds of every (T, ...) array, of which [t0, t1) is worked on */
  int64_t batch;
  int64_t input_size;
  int64_t hidden_size;
  int64_t state_size; /* P, numbers of h: equal to hidden_size, or 1 to hidden_size of a cell that projects */
  int64_t t0, t1; /* chunk of steps; D = 2 and only_direction = 2 take [0, T) only */
  int32_t masked_output; /* RF_MASKED_ZERO or RF_MASKED_HOLD */
  int32_t num_threads; /* at most, and the workspace must have room for them. 0: rf_get_num_threads(), or fewer,
                             * as many as the workspace has room for */
  int32_t overwrite; /* backward: 1: parameters' gradients replace what is there; 0: they are added to it */

  /* Dropout, probabilities in [0, 1); 0 turns it off. Row b of this batch counts as row first_row + b. */
  double dropout, input_dropout, recurrent_dropout;
  uint64_t dropout_seed;
  int64_t first_row;

  /* A part of a larger net, so that its results are those of the whole, bit by bit: its steps count as those from
   * first_step on, its layers as those from first_layer on. only_direction, with one layer and num_directions = 1: 1 or
   * 2 is the forward or the reverse direction alone of a layer that has both, whose inputs above the first layer have
   * 2*P features; dx is complete when 2, which adds to it, has followed 1. A reverse direction takes all its steps; what
   * first_step has cut off is visited after them. */
  int64_t first_step;
  int32_t first_layer, only_direction;

  /* Parameters, numbers of `dtype` whatever weight_dtype is. With RF_BF16 and RF_I8, which dtype = RF_F32 may have,
   * matrices are rounded when they are packed and so kept, a half or a quarter of the bytes to read: results are those of
   * weights that were rounded before, in float32. RF_BF16 rounds to nearest even, and bits are the same, too, unless
   * rf_rounds_rows says otherwise. RF_I8 rounds every row of a matrix to whole numbers from -127 to 127 times a scale of
   * its own, by which sums are multiplied: with AVX512_VNNI these are exact, so that bits are not those of other processors
   * and instruction sets. It refuses numbers that are not finite or beyond 3.402e38 with RF_ERROR_RANGE, and may take
   * numbers of x and h under 1e-30 for zeros and those beyond 1e36 for infinite. Biases stay as they are. reserve must be
   * NULL, there is no backward: RF_ERROR_DTYPE. */
  const void *const *weight_ih; /* (G*H, I), then (G*H, D*P) for layers above the first */
  const void *const *weight_hh; /* (G*H, P) */
  const void *const *bias_ih; /* (G*H,) or NULL; both biases or neither */
  const void *const *bias_hh;
  const void *packed; /* written by rf_pack, or NULL: the call packs into the workspace */

  /* Forward. */
  const void *x; /* (T, B, I) */
  int64_t x_stride_t, x_stride_b;
  void *y; /* (T, B, D*P), apart from x; RF_MASKED_HOLD with t0 > 0 reads y of step t0 - 1 */
  int64_t y_stride_t, y_stride_b;
  const void *h0, *c0; /* states before step t0; NULL: zeros. c only for cells with two states */
  void *h_n, *c_n; /* states after step t1 - 1, h_n may be h0 and c_n c0, which they then replace; NULL: not wanted */
  const int64_t *lengths; /* (B,) in 0..T, or NULL */
  const uint8_t *mask; /* (T, B), not zero where live, or NULL */
  const uint8_t *resets; /* (T, B), not zero cuts row b between t - 1 and t, or NULL */

  /* Backward: gradients in (NULL: zeros), gradients out (NULL: not wanted; dx, dh0, dc0 are overwritten, for
   * the parameters' see `overwrite`). rf_backward takes chunks in the reverse of rf_forward's order: with the h0, c0 that the
   * chunk began from, and as dh_n, dc_n what the chunk after it left in dh0, dc0. */
  const void *dy; /* (T, B, D*P) */
  int64_t dy_stride_t, dy_stride_b;
  const void *dh_n, *dc_n;
  void *dx; /* (T, B, I) */
  int64_t dx_stride_t, dx_stride_b;
  void *dh0, *dc0;
  void *const *d_weight_ih, *const *d_weight_hh, *const *d_bias_ih, *const *d_bias_hh;
  double *state_grad_norms; /* (T, L*D, 2): Euclidean norm over live rows of dL/dh_t and dL/dc_t; or NULL */

  /* Memory of the caller, 64-byte aligned (`packed` too), and how many bytes each has. Nothing is touched where these are
   * fewer than a call needs. */
  void *reserve; /* what backward needs of forward, and consumes unless keep_reserve says otherwise; NULL: inference */
  void *workspace;
  size_t workspace_bytes;
  size_t reserve_bytes;
  size_t packed_bytes; /* of `packed`, and of what rf_pack writes into */

  int64_t keep_reserve; /* backward: 1: changes no byte of the reserve, so that any number of backwards, several at a
                         * time too, go with one forward, the same bits each; the workspace holds gradients that otherwise replace
                         * gates. RF_MASKED_HOLD then takes [0, T) only. 0: consumes the reserve */

  /* Of a cell that projects: h' = W_hr times what the cell computes, o tanh(c'). */
  const void *const *weight_hr; /* (P, H) */
  void *const *d_weight_hr; /* gradients, as those of the other parameters */

  rf_team team; /* whose threads a call with num_threads > 1 works on; NULL: the pool's */

  /* RF_BF16, of RF_F32 with weights of RF_F32: every product, forward and backward, is one of numbers rounded to bfloat16,
   * to nearest even, and summed in float32; parameters, states, gradients and all else stay float32. At default
   * initialisation y, states and, but for relu, gradients of x and of parameters are within 1e-2 of what they would be
   * otherwise. Where the instruction set, the processor or the compiler that built the library has no such products
   * that are faster, AMX's or AVX512_BF16's (rf_rounds_rows), RF_ERROR_UNSUPPORTED. 0: products of `dtype`. */
  int64_t product_dtype;
} rf_problem;

/* Fills a record in as one call of a whole net needs it, but for its parameters, arrays and memory: struct_size as given,
 * which is to be sizeof(rf_problem), dense time-major sequences, all steps, RF_ISA_AUTO, no dropout. RF_ERROR_STRUCT_SIZE
 * where the library does not know all of the record; sizes are checked by the calls that take it. state_size is
 * hidden_size: of a cell that projects the caller sets it, and the strides of y and dy, which have D*P features. */
RF_API int32_t rf_problem_init(rf_problem *problem, size_t struct_size, int32_t cell, int32_t dtype, int32_t num_layers,
                               int32_t num_directions, int64_t steps, int64_t batch, int64_t input_size,
                               int64_t hidden_size);

/* Bytes of the caller's buffers. rf_workspace_bytes covers forward and, where reserve is not NULL, backward, for this
 * very record: sizes, t0, t1, dropouts, num_threads, keep_reserve, and which of packed, reserve and state_grad_norms are
 * NULL. With num_threads = 0 it is room for as many threads as a call may use now; later calls fit themselves to it.
 *
 * rf_reserve_bytes is, whatever the instruction set, options, I and t0, t1, exactly
 *
 *     64 * B * D * (T * L * (row(p) + c * row(n) + row(k * n)) + hold * row(p))
 *
 * where n = ceil(H / (64 / bytes of a number)), p = the same of P; row(m) = m + 1 for even m >= 16, else m; c = 1 for lstm
 * and lstm_proj, else 0; k = 4 for these and gru, 3 for gru_before, 1 for the others; hold = 1 for RF_MASKED_HOLD, else 0. */
RF_API int32_t rf_reserve_bytes(const rf_problem *problem, size_t *bytes);
RF_API int32_t rf_workspace_bytes(const rf_problem *problem, size_t *bytes);
RF_API int32_t rf_packed_bytes(const rf_problem *problem, size_t *bytes);

/* In `rounds`, not 0 where x and h are rounded to the type of the weights as well, for products as the processor has them: of
 * RF_BF16, 1 with AVX512_BF16 for a batch of 16 rows or more, where that is faster than float32, and 2 with AMX for one of 4
 * or more, whose sums have other bits. At default initialisation y of more than a few units is then within 4e-3, of its norm,
 * of what it would be otherwise. Linux is asked for AMX when weights of RF_BF16 or RF_I8 are first packed, with a
 * product_dtype, or here; where it refuses, it is as if there were none. With a product_dtype 1 or 2 for any batch. */
RF_API int32_t rf_rounds_rows(const rf_problem *problem, int32_t *rounds);

/* Writes the weights, rearranged for one instruction set, into `packed`, which has packed_bytes, for later rf_forward
 * calls of this process. */
RF_API int32_t rf_pack(const rf_problem *problem, void *packed);

RF_API int32_t rf_forward(const rf_problem *problem);
RF_API int32_t rf_backward(const rf_problem *problem);

/* After rf_forward with a reserve and before rf_backward: the post-activation gate (0..G-1, PyTorch's order) or, with
 * gate = G, the cell state c, of layer-direction k at every step, into `out` (T, B, H); 0 at steps not live. Needs the
 * workspace. */
RF_API int32_t rf_activation(const rf_problem *problem, int32_t k, int32_t gate, void *out);

/* ---- A net made once, for steps and inference that repeat: rf_net ------------------------------------------------ */

/* A net made once for calls that repeat: a chain of parts, weights rearranged, everything that depends on sizes alone
 * settled. It never changes, so that any number of threads may use it at a time, each with state and workspace of its own.
 *
 * Parts run in their order, each on what the one before it gives: layers (RNN, LSTM, GRU; one direction or both), linear
 * layers, activations, and as the first one an embedding, whose x are int64 indices and whose rows are NaN for an index
 * that its table does not have. Activations before the first part that has a size take that part's. Steps that are not live
 * and resets are the layers' business: what stands above them sees the outputs that they give there, zeros or the last live
 * ones.
 *
 * rf_net_step and rf_net_forward on one thread neither allocate nor lock, make no system call and print nothing. Results
 * have the bits of rf_forward: 1,000 steps those of one sequence of 1,000, in any batch, with any number of threads; but of
 * matrices in RF_BF16 batches large enough for a processor's own products (rf_rounds_rows: 4 rows with AMX, 16 with AMD's
 * AVX512_BF16) round x and h, and so have other bits than smaller ones. */
typedef struct rf_net rf_net;

/* What may stand above the layers. */
enum {
  RF_HEAD_LINEAR = 0, /* W x + b */
  RF_HEAD_TANH = 1,
  RF_HEAD_RELU = 2,
  RF_HEAD_SIGMOID = 3,
  RF_HEAD_SOFTMAX = 4, /* over all numbers of a row, as RF_HEAD_LOG_SOFTMAX */
  RF_HEAD_LOG_SOFTMAX = 5
};
typedef struct rf_head_part {
  int32_t kind;
  int64_t outputs; /* RF_HEAD_LINEAR: numbers of a row that it gives; else not read */
  const void *weight; /* RF_HEAD_LINEAR: (outputs, what comes in) */
  const void *bias; /* RF_HEAD_LINEAR: (outputs,) or NULL */
} rf_head_part;

/* Makes a net of a record's layers, its parameters and `head_count` parts above them, all copied. Of the record count the
 * kind, sizes of layers, weight_dtype, masked_output, isa, parameters, num_threads (how many threads its calls may use: 0
 * is one, a net's default) and, as initial states of every row, h0 and c0 (L*D, H), or NULL: zeros; product_dtype is to be
 * 0. Where rf_pack has written `packed`, which then must outlive the net and stay as it is, the net reads that in place of
 * a copy of its own.
 *
 * Whatever makes a net writes NULL to `net` where it makes none. */
RF_API int32_t rf_net_create(const rf_problem *problem, const rf_head_part *head, int32_t head_count, rf_net **net);

/* Makes a net from a weights file, .safetensors as rnnfast's Python writes it, by its path, or by its bytes; `isa` is
 * RF_ISA_AUTO or from rf_isa_id, num_threads as above. A damaged or hostile file gets a status, and so does what Python
 * refuses: tensors fill a file without gaps, no two parts share one, a part takes all those whose names are its own up to
 * the first dot, and has no options but those of its kind. Loading asks for at most 40 times the bytes of a file
 * and 512 KiB: layers whose sizes are multiples of a vector's lanes, at most 16, take about three times the bytes of their
 * weights, others are padded to whole vectors, so that a layer of a single unit takes some 25 times as many. */
RF_API int32_t rf_net_load(const char *path, int32_t isa, int32_t num_threads, rf_net **net);
RF_API int32_t rf_net_load_memory(const void *data, size_t bytes, int32_t isa, int32_t num_threads, rf_net **net);

/* Gives a net's memory back; nothing for NULL. No call may be using it. */
RF_API void rf_net_free(rf_net *net);

/* What a net is. Recurrent parts are counted from 0; rf_net_part tells one's cell, layers, directions and hidden size,
 * RF_ERROR_RANGE where there is none of that number. Any of the pointers may be NULL. */
typedef struct rf_net_sizes {
  size_t struct_size; /* sizeof(rf_net_sizes), set by the caller */
  int32_t dtype, isa, num_threads;
  int32_t recurrent_parts;
  int32_t takes_indices; /* 1: x are int64 indices, and input_size is 1 */
  int32_t steps_alone; /* 1: the net can run step by step; 0: it has a reverse direction, which must see all steps */
  int64_t input_size, output_size;
} rf_net_sizes;
RF_API int32_t rf_net_get_sizes(const rf_net *net, rf_net_sizes *sizes);
RF_API int32_t rf_net_part(const rf_net *net, int32_t part, int32_t *cell, int32_t *num_layers, int32_t *num_directions,
                           int64_t *hidden_size);
RF_API int32_t rf_net_part_state_size(const rf_net *net, int32_t part, int64_t *state_size); /* numbers of h */

/* Bytes of the caller's memory, which begins at a multiple of 64: the states of `batch` rows, and scratch for calls of at
 * most so many steps and rows. RF_ERROR_SHAPE for a negative size, RF_ERROR_SIZE for bytes that cannot be addressed. */
RF_API int32_t rf_net_state_bytes(const rf_net *net, int64_t batch, size_t *bytes);
RF_API int32_t rf_net_workspace_bytes(const rf_net *net, int64_t steps, int64_t batch, size_t *bytes);

/* States of `batch` rows. rf_net_state_reset sets the rows where `rows` (batch,) is not zero, or with NULL all, to the
 * net's initial states: memory is a state once that was done. rf_net_state_copy takes `count` rows over from one state to
 * another, which may be the same where the rows are apart. rf_net_state_read and rf_net_state_write tell and set the
 * states of a recurrent part, h and c (L*D, batch, H); NULL: not wanted, or left as they are. */
RF_API int32_t rf_net_state_reset(const rf_net *net, int64_t batch, void *state, const uint8_t *rows);
RF_API int32_t rf_net_state_copy(const rf_net *net, int64_t from_batch, const void *from, int64_t from_row,
                                 int64_t to_batch, void *to, int64_t to_row, int64_t count);
RF_API int32_t rf_net_state_read(const rf_net *net, int32_t part, int64_t batch, const void *state, void *h, void *c);
RF_API int32_t rf_net_state_write(const rf_net *net, int32_t part, int64_t batch, void *state, const void *h,
                                  const void *c);

/* One step of `batch` rows: reads x (batch, input_size), writes y (batch, output_size), apart from x, and moves the state on.
 * Nothing is checked: the workspace has room for one step of so many rows, or more. Steps are those of a longer sequence where
 * `steps_alone` of rf_net_sizes is 1. A net with a reverse direction takes the step for a sequence of its own: that direction
 * begins from its state, which the step before it left, and not from the steps that follow. */
RF_API void rf_net_step(const rf_net *net, int64_t batch, const void *x, void *y, void *state, void *workspace);

/* A sequence, or a stretch of one: T = steps, B = batch. Strides count elements, as in rf_problem. */
typedef struct rf_sequence {
  size_t struct_size; /* sizeof(rf_sequence) */
  int64_t steps, batch;
  const void *x; /* (T, B, input_size), or indices (T, B) */
  int64_t x_stride_t, x_stride_b;
  void *y; /* (T, B, output_size), apart from x */
  int64_t y_stride_t, y_stride_b;
  void *state; /* before the first step; after the call that after the last */
  const int64_t *lengths; /* (B,) in 0..T, or NULL; these are all that is checked: RF_ERROR_RANGE */
  const uint8_t *mask; /* (T, B), not zero where live, or NULL */
  const uint8_t *resets; /* (T, B), not zero: row b starts step t from zeros, or NULL */
  void *workspace; /* for T steps and B rows */
} rf_sequence;
RF_API int32_t rf_net_forward(const rf_net *net, const rf_sequence *sequence);

/* ---- Parts of the library alone, to be measured ------------------------------------------------------------------ */

/* The library's own element-wise functions, at most 2 units in the last place, and two loops to measure the processor
 * by, each over `rounds`: independent fused multiply-adds on registers alone, whose speed is its peak, and reading
 * `data` (64-byte aligned) from end to end, whose speed is that of the cache or memory that holds so many bytes. They
 * tell the flops done, and the bytes read: whole groups of eight vectors. */
enum { RF_EXP = 0, RF_TANH = 1, RF_LOGISTIC = 2 };
RF_API int32_t rf_elementwise(int32_t isa, int32_t dtype, int32_t function, int64_t n, const void *x, void *y);
RF_API int32_t rf_fma_loop(int32_t isa, int32_t dtype, int64_t rounds, double *flops);
RF_API int32_t rf_read_loop(int32_t isa, int64_t bytes, const void *data, int64_t rounds, double *read_bytes);

#ifdef __cplusplus
}
#endif
#endif
