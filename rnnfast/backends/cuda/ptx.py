"""Operations of kernels that have no name in Numba: the tensor cores, four-word access, clusters and their barriers.

Kernels take this namespace as their first argument, so that an emulator's can stand in for it. All are from the PTX
ISA 8.x, whose layouts of fragments `mma_*` take. Words are uint32; addresses are uint32 in shared memory, uint64 in
global memory.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rnnfast.backends.cuda.assembly import ADDRESS, FLOAT, NOTHING, WORD, address_in_shared, instruction, narrow

_FOUR, _FROM_FOUR = "{$0,$1,$2,$3}", "{$1,$2,$3,$4}"


def operations(cuda: Any) -> SimpleNamespace:
    """Return the operations for numba.cuda, which `cuda` is.

    >>> from numba import cuda
    >>> callable(operations(cuda).mma_f16)
    True
    """
    parts = (_numba(cuda), _arithmetic(), _products(), _global_memory(), _shared_memory(cuda), _threads(), _cluster())
    return SimpleNamespace(**{name: operation for part in parts for name, operation in part.items()})


def _numba(cuda: Any) -> dict[str, Any]:
    """Return what Numba has: `inline` makes a device function; `cuda.local.array(size, type)` is in registers."""
    inline = cuda.jit(device=True, forceinline=True)
    return {"inline": inline, "cuda": cuda, "sync_block": cuda.syncthreads}


def _arithmetic() -> dict[str, Any]:
    halves = "{ .reg .b16 l, h; mov.b32 {l, h}, $1; cvt.f32.f16 $0, %s; }"
    return {
        "add": narrow("add"),
        "multiply": narrow("mul"),
        "bits": instruction("mov.b32 $0, $1;", WORD, FLOAT, pure=True),
        "number": instruction("mov.b32 $0, $1;", FLOAT, WORD, pure=True),
        # two float16 in a word, rounded to nearest; the first is the low half
        "pack": instruction("cvt.rn.f16x2.f32 $0, $2, $1;", WORD, FLOAT, FLOAT, pure=True),
        "low": instruction(halves % "l", FLOAT, WORD, pure=True),
        "high": instruction(halves % "h", FLOAT, WORD, pure=True),
        # the low halves of two words as one, and the high ones
        "lows": instruction("prmt.b32 $0, $1, $2, 0x5410;", WORD, WORD, WORD, pure=True),
        "highs": instruction("prmt.b32 $0, $1, $2, 0x7632;", WORD, WORD, WORD, pure=True),
        # 2^x and 1/x: at most 2 ULP, subnormal numbers are zero
        "exp2": instruction("ex2.approx.ftz.f32 $0, $1;", FLOAT, FLOAT, pure=True),
        "reciprocal": instruction("rcp.approx.ftz.f32 $0, $1;", FLOAT, FLOAT, pure=True),
        "absolute": instruction("abs.f32 $0, $1;", FLOAT, FLOAT, pure=True),
        "copysign": instruction("copysign.f32 $0, $2, $1;", FLOAT, FLOAT, FLOAT, pure=True),
    }


def _products() -> dict[str, Any]:
    """Return c (4) + a (4 words) b (2 words), summed in float32; a TF32 operand's last 13 bits are not read."""
    text = f"mma.sync.aligned.%s {_FOUR}, {{$8,$9,$10,$11}}, {{$12,$13}}, {{$4,$5,$6,$7}};"
    kinds = {"mma_f16": "m16n8k16.row.col.f32.f16.f16.f32", "mma_tf32": "m16n8k8.row.col.f32.tf32.tf32.f32"}
    operands = [FLOAT] * 4 + [WORD] * 6
    return {
        name: instruction(text % kind, FLOAT, *operands, count=4, pure=True, together=True)
        for name, kind in kinds.items()
    }


def _global_memory() -> dict[str, Any]:
    """Return loads, those `constant` of what nobody writes while the kernel runs, and stores."""
    four_stored = [ADDRESS, *[FLOAT] * 4]
    return {
        "load_constant": instruction("ld.global.nc.f32 $0, [$1];", FLOAT, ADDRESS),
        "load_constant4": instruction(f"ld.global.nc.v4.f32 {_FOUR}, [$4];", FLOAT, ADDRESS, count=4),
        "load_constant_word": instruction("ld.global.nc.u32 $0, [$1];", WORD, ADDRESS),
        "load_constant_byte": instruction("ld.global.nc.u8 $0, [$1];", WORD, ADDRESS),
        "load": instruction("ld.global.f32 $0, [$1];", FLOAT, ADDRESS),
        "load4": instruction(f"ld.global.v4.f32 {_FOUR}, [$4];", FLOAT, ADDRESS, count=4),
        "store": instruction("st.global.f32 [$0], $1;", NOTHING, ADDRESS, FLOAT),
        "store4": instruction(f"st.global.v4.f32 [$0], {_FROM_FOUR};", NOTHING, *four_stored),
        "store_word": instruction("st.global.u32 [$0], $1;", NOTHING, ADDRESS, WORD),
    }


def _shared_memory(cuda: Any) -> dict[str, Any]:
    address = address_in_shared()

    def dynamic_shared():
        """Return the address of the block's dynamic shared memory, a multiple of 128."""
        return address(cuda.shared.array(0, "uint32", alignment=128))

    return {
        "dynamic_shared": cuda.jit(device=True, forceinline=True)(dynamic_shared),
        "load_shared": instruction("ld.shared.f32 $0, [$1];", FLOAT, WORD),
        "load_shared4": instruction(f"ld.shared.v4.f32 {_FOUR}, [$4];", FLOAT, WORD, count=4),
        "load_shared_word": instruction("ld.shared.u32 $0, [$1];", WORD, WORD),
        "load_shared_words4": instruction(f"ld.shared.v4.u32 {_FOUR}, [$4];", WORD, WORD, count=4),
        "store_shared": instruction("st.shared.f32 [$0], $1;", NOTHING, WORD, FLOAT),
        "store_shared4": instruction(f"st.shared.v4.f32 [$0], {_FROM_FOUR};", NOTHING, WORD, *[FLOAT] * 4),
        "store_shared_word": instruction("st.shared.u32 [$0], $1;", NOTHING, WORD, WORD),
        "store_shared_words4": instruction(f"st.shared.v4.u32 [$0], {_FROM_FOUR};", NOTHING, WORD, *[WORD] * 4),
    }


def _threads() -> dict[str, Any]:
    """Return which thread and block this is, and what a warp does together; `shuffle(value, lane)`, `_xor` a mask."""
    return {
        "thread": instruction("mov.u32 $0, %tid.x;", WORD, pure=True),
        "block": instruction("mov.u32 $0, %ctaid.x;", WORD, pure=True),
        "block_y": instruction("mov.u32 $0, %ctaid.y;", WORD, pure=True),
        "sync_warp": instruction("bar.warp.sync 0xffffffff;", NOTHING, together=True),
        "shuffle": instruction("shfl.sync.idx.b32 $0, $1, $2, 0x1f, 0xffffffff;", WORD, WORD, WORD, together=True),
        "shuffle_xor": instruction("shfl.sync.bfly.b32 $0, $1, $2, 0x1f, 0xffffffff;", WORD, WORD, WORD, together=True),
    }


def _cluster() -> dict[str, Any]:
    """Return what blocks of a cluster share: addresses in a peer's shared memory, messages to it, barriers.

    `send4(to, barrier, ...)` writes four words to a peer and then tells the barrier there of 16 bytes. A barrier's
    phase ends when `expect` has come and as many bytes as it said; `is_over(barrier, parity)` may wait a little.
    """
    wait = "{ .reg .pred p; mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [$1], $2; selp.u32 $0,1,0,p; }"
    meet = "barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;"
    send = "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [$0], {$2,$3,$4,$5}, [$1];"
    peer4 = f"st.shared::cluster.v4.f32 [$0], {_FROM_FOUR};"
    expect = "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;"
    return {
        "sync_cluster": instruction(meet, NOTHING, together=True),
        "in_peer": instruction("mapa.shared::cluster.u32 $0, $1, $2;", WORD, WORD, WORD, pure=True),
        "send4": instruction(send, NOTHING, *[WORD] * 6),
        "store_peer4": instruction(peer4, NOTHING, WORD, *[FLOAT] * 4),
        "barrier_init": instruction("mbarrier.init.shared::cta.b64 [$0], $1;", NOTHING, WORD, WORD),
        "barrier_init_fence": instruction("fence.mbarrier_init.release.cluster;", NOTHING),
        "expect": instruction(expect, NOTHING, WORD, WORD),
        "is_over": instruction(wait, WORD, WORD, WORD, together=True),
    }
