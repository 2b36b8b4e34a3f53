/* gate.h - how a thread waits for another: it spins briefly, then yields its processor, then sleeps. */
#ifndef RF_GATE_H
#define RF_GATE_H

#include <stdatomic.h>
#include <stdint.h>

/* All zero before its first use. Whoever waits for `word` to change and has gone to sleep is counted. */
struct rf_gate {
  _Alignas(64) _Atomic uint32_t word;
  _Atomic int32_t sleepers;
};

/* Nanoseconds of a clock that never goes back. */
int64_t rf_nanoseconds(void);

/* Returns once `word` is not `old`, and sees what was written before it changed. Spins for `patience` nanoseconds, 0: not
 * at all, before it yields and sleeps. Returns how long that took, 0 where it was no longer than the patience. */
int64_t rf_gate_wait(struct rf_gate *gate, uint32_t old, int64_t patience);

/* Sets `word` and wakes all who sleep. */
void rf_gate_open(struct rf_gate *gate, uint32_t word);

/* Takes one off `word`; who makes it 0 wakes all who sleep. */
void rf_gate_count_down(struct rf_gate *gate);

/* In a forked child, where nobody sleeps any more. */
void rf_gates_after_fork(void);

#endif
