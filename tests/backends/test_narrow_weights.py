"""Weights in bfloat16 and int8: what is computed with them, on every backend and instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import parts
from support import Spec, make_problem

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.c.memory import Block
from rnnfast.backends.c.record import Template
from rnnfast.problem import Array

I, H = 7, 33  # noqa: E741 (I is the input size)
TYPES = pytest.mark.parametrize("weights", ["bfloat16", "int8"])
BACKENDS = [name for name, reason in rnnfast.backends().items() if reason is None and name != "cuda"]
VARIANTS = [f"c:{name}" for name in c.variants() if c.reason(name) is None]
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn": (rnnfast.RNN, {}),
    "lstm": (rnnfast.LSTM, {}),
    "projected": (rnnfast.LSTM, {"proj_size": 19}),
    "gru": (rnnfast.GRU, {}),
    "gru_before": (rnnfast.GRU, {"reset_after": False}),
}
ROUNDS = "rounded to bfloat16"
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def net(kind: str, *sizes: int, **options: Any) -> Any:
    """A net whose weights are larger than at first, so that states move."""
    made, own = KINDS[kind]
    found = made(*(sizes or (I, H)), seed=0, **own, **options)
    for array in found.parameters.values():
        array *= 2
    return found


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


def twin(module: Any, frozen: Any) -> Any:
    """A net of float32 that has the rounded weights."""
    made, own = KINDS["projected" if module.net.proj_size else module.net.cell.partition("_t")[0]]
    options = {name: getattr(module.net, name) for name in ("num_layers", "bidirectional", "bias")}
    other = made(module.net.input_size, module.net.hidden_size, **own, **options, backend=module.backend)
    other.load_state_dict(frozen.parameters)
    return other


def distance(got: Array, truth: Array) -> float:
    return float(np.linalg.norm(got.astype("float64") - truth) / np.linalg.norm(truth))


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_those_of_the_rounded_weights(kind: str, weights: str, backend: str) -> None:
    module = net(kind, backend=backend, num_layers=2, bidirectional=True)
    frozen, x = module.freeze(weights=weights), normal(9, 5, I)
    truth = twin(net(kind, num_layers=2, bidirectional=True, backend="reference"), frozen)(x)[0]
    assert distance(frozen(x)[0], truth) < 1e-6
    assert distance(frozen(x)[0], module(x)[0].astype("float64")) > 1e-6


@EVERY_KIND
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("batch", [1, 2, 3, 9, 20])
@pytest.mark.parametrize("sizes", [(7, 33), (1, 16), (70, 130), (64, 6)])
def test_bfloat16_has_the_bits_of_float32(kind: str, variant: str, batch: int, sizes: tuple[int, int]) -> None:
    if kind == "projected" and sizes[1] < 20:
        pytest.skip("h is projected to 19 numbers")
    module = net(kind, *sizes, backend=variant, num_layers=2)
    frozen, x = module.freeze(weights="bfloat16"), normal(6, batch, sizes[0])
    y, state = twin(module, frozen).freeze()(x)
    found, last = frozen(x)
    if ROUNDS in frozen.ran_on(batch):
        assert batch >= 16 and variant == "c:avx512"
        assert 0 < distance(found, y.astype("float64")) < 4e-3
        return
    np.testing.assert_array_equal(found, y)
    for got, expected in zip(parts(last), parts(state), strict=True):
        np.testing.assert_array_equal(got, expected)


@EVERY_KIND
@TYPES
def test_both_directions_of_several_layers(kind: str, weights: str) -> None:
    """The inputs of the second layer come in two stretches, each of which is filled up to whole lines."""
    module = net(kind, 5, 21, num_layers=3, bidirectional=True, backend="c")
    frozen, x, mask = module.freeze(weights=weights), normal(7, 13, 5), np.random.default_rng(0).random((7, 13)) < 0.7
    y = twin(module, frozen).freeze()(x, mask=mask)[0]
    if weights == "bfloat16":
        np.testing.assert_array_equal(frozen(x, mask=mask)[0], y)
    assert distance(frozen(x, mask=mask)[0], y.astype("float64")) < 1e-6


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_without_a_live_row(kind: str, weights: str, variant: str) -> None:
    frozen, x = net(kind, backend=variant).freeze(weights=weights), normal(6, 3, I)
    mask = np.ones((6, 3), bool)
    mask[[0, 3, 5]] = False
    expected, last = frozen(x[mask[:, 0]])
    found, final = frozen(x, mask=mask)
    np.testing.assert_array_equal(found[mask[:, 0]], expected)
    assert not found[~mask].any()
    for got, state in zip(parts(final), parts(last), strict=True):
        np.testing.assert_array_equal(got, state)


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("sizes", [(3, 5), (1, 16), (40, 40), (17, 130), (300, 64)])
def test_bits_are_the_same_however_a_sequence_is_cut(kind: str, weights: str, sizes: tuple[int, int]) -> None:
    if kind == "projected" and sizes[1] < 20:
        pytest.skip("h is projected to 19 numbers")
    frozen, x = net(kind, *sizes, backend="c", num_layers=2).freeze(weights=weights), normal(8, 15, sizes[0])
    y, _ = frozen(x)
    for rows in (slice(0, 1), slice(3, 5), slice(4, 13)):
        np.testing.assert_array_equal(frozen(x[:, rows])[0], y[:, rows])
        stream = frozen.stream(batch=len(range(15)[rows]))
        np.testing.assert_array_equal(np.stack([stream.step(one) for one in x[:, rows]]), y[:, rows])
    stream = frozen.stream(batch=15)
    np.testing.assert_array_equal(np.concatenate([stream.run(x[:3]), stream.run(x[3:])]), y)


@EVERY_KIND
@TYPES
def test_instruction_sets_agree(kind: str, weights: str) -> None:
    """Of bfloat16 on every bit. Sums of int8 are exact where the processor has them."""
    x = normal(9, 4, I)
    found = {name: net(kind, backend=name).freeze(weights=weights)(x)[0] for name in VARIANTS if name != "c:scalar"}
    first, *others = found.values()
    for other in others:
        assert distance(other, first.astype("float64")) < 1e-6
        if weights == "bfloat16":
            np.testing.assert_array_equal(other, first)
    if "c:scalar" in VARIANTS:
        plain = net(kind, backend="c:scalar").freeze(weights=weights)(x)[0]
        assert distance(plain, first.astype("float64")) < 1e-6


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("variant", VARIANTS)
def test_many_rows_have_the_bits_of_few(kind: str, weights: str, variant: str) -> None:
    """More rows than pass by widened weights at once, fewer and fewer of which are live."""
    frozen = net(kind, 37, 70, backend=variant, num_layers=2, bidirectional=True).freeze(weights=weights)
    if ROUNDS in frozen.ran_on(300):
        pytest.skip("many rows are rounded, few are not")
    x, lengths = normal(5, 300, 37), np.arange(300) * 7 % 6
    found = frozen(x, lengths=lengths)[0]
    for rows in (slice(0, 1), slice(40, 43), slice(290, 300), slice(100, 131)):
        np.testing.assert_array_equal(found[:, rows], frozen(x[:, rows], lengths=lengths[rows])[0])


@TYPES
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(weights: str, threads: int) -> None:
    frozen, x = net("lstm", 64, 256, backend="c").freeze(weights=weights), normal(20, 40, 64)
    before = rnnfast.get_num_threads()
    try:
        rnnfast.set_num_threads(1)
        alone = frozen(x)[0]
        rnnfast.set_num_threads(threads)
        np.testing.assert_array_equal(frozen(x)[0], alone)
        if ROUNDS not in frozen.ran_on(40):
            np.testing.assert_array_equal(frozen(x[:, :1])[0], alone[:, :1])
    finally:
        rnnfast.set_num_threads(before)


@EVERY_KIND
def test_a_batch_whose_rows_are_rounded(kind: str) -> None:
    """Bits are those of a batch as large, however its steps are cut and whichever of its rows are live."""
    frozen = net(kind, 40, 70, backend="c", num_layers=2).freeze(weights="bfloat16")
    if ROUNDS not in frozen.ran_on(17):
        pytest.skip("no products of bfloat16 on this processor")
    assert ROUNDS not in frozen.ran_on(15)
    x = normal(8, 17, 40)
    y, _ = frozen(x)
    stream = frozen.stream(batch=17)
    np.testing.assert_array_equal(np.concatenate([stream.run(x[:3]), stream.run(x[3:])]), y)
    lengths = np.arange(17) % 9
    ragged = frozen(x, lengths=lengths)[0]
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(ragged[:length, row], y[:length, row])
    truth = frozen(x[:, :15])[0]
    assert 0 < distance(y[:, :15], truth.astype("float64")) < 4e-3


@TYPES
@pytest.mark.parametrize(
    "extreme", ["largest", "one large", "alternating", "zeros", 254 / 255, "0x3ffefefe", "0x3ffefeff", "0x3ffeffff"]
)
def test_inputs_at_the_ends_of_their_range(weights: str, extreme: str | float) -> None:
    """Numbers that whole ones of 24 bits just hold or no longer, beside others that these hardly see."""
    module = rnnfast.RNN(200, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    frozen, x = module.freeze(weights=weights), normal(1, 3, 200)
    below_two = np.nextafter(np.float32(2), np.float32(0))
    if extreme == "largest":
        x[:] = np.copysign(below_two, x)
    elif extreme == "one large":
        x[..., ::50] = below_two * np.float32(2.0**20)
    elif extreme == "alternating":
        x[..., ::2], x[..., 1::2] = np.float32(1.9921875), -np.nextafter(np.float32(1.9921875), np.float32(0))
    elif extreme == "zeros":
        x[..., 64:] = 0
    else:
        largest = np.array(int(extreme, 16), np.uint32).view("float32") if isinstance(extreme, str) else extreme
        x = np.clip(x, -0.5, 0.5)
        x[..., 7::60] = largest
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    assert distance(frozen(x)[0], truth) < 1e-6


@TYPES
@pytest.mark.parametrize("size", [1e-36, 1e-26, 1e-3, 1e30])
def test_inputs_of_any_size(weights: str, size: float) -> None:
    """A linear net, which passes them on; int8 may take the smallest for zeros."""
    module = rnnfast.RNN(I, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    frozen, x = module.freeze(weights=weights), normal(1, 3, I) * np.float32(size)
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    zero = 1e-30 if weights == "int8" else np.finfo("float32").tiny
    limit = 1e-6 * np.linalg.norm(truth) + np.sqrt(truth.size) * zero
    for rows in (1, 3):
        assert np.linalg.norm(frozen(x[:, :rows])[0] - truth[:, :rows]) <= limit


@TYPES
def test_what_is_no_number_stays_in_its_row(weights: str) -> None:
    frozen, x = net("lstm", backend="c").freeze(weights=weights), normal(4, 3, I)
    expected = frozen(x)[0]
    x[1, 1] = np.nan
    found = frozen(x)[0]
    np.testing.assert_array_equal(found[:, [0, 2]], expected[:, [0, 2]])
    np.testing.assert_array_equal(found[0, 1], expected[0, 1])
    assert np.isnan(found[1:, 1]).all()


@TYPES
@pytest.mark.parametrize("backend", rnnfast.backends())
def test_every_backend_says_where_it_ran(weights: Any, backend: str) -> None:
    if rnnfast.backends()[backend] is not None:
        pytest.skip(str(rnnfast.backends()[backend]))
    assert rnnfast.GRU(3, 4, seed=0, backend=backend).freeze(weights=weights).ran_on(15) == backend


@TYPES
def test_infinite_inputs_are_those_of_float32(weights: str) -> None:
    """A linear net, in whose outputs they stay; twelve rows, one of which is finite among them."""
    module = rnnfast.RNN(I, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    frozen, x = module.freeze(weights=weights), normal(1, 12, I)
    x[0, :11, 3] = np.inf
    x[0, 5, 4] = -np.inf
    with np.errstate(invalid="ignore"):
        expected = x @ frozen.parameters["weight_ih_l0"].T
    found = frozen(x)[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(found[np.isinf(expected)], expected[np.isinf(expected)])
    np.testing.assert_allclose(found[0, 11], expected[0, 11], rtol=1e-5, atol=1e-6)


def status_of(status: int) -> str:
    return str(library()[0].typeof("rf_status").elements[status])


@TYPES
@pytest.mark.parametrize(
    "dtype, reserve, status", [("float32", 0, "OK"), ("float32", 64, "ERROR_DTYPE"), ("float64", 0, "ERROR_DTYPE")]
)
def test_the_library_has_them_for_inference_of_float32(weights: Any, dtype: str, reserve: int, status: str) -> None:
    ffi, lib = library()
    template, size = Template(make_problem(Spec(states=False), dtype), Layout()), ffi.new("size_t *")
    template.record.weight_dtype = {"bfloat16": lib.RF_BF16, "int8": lib.RF_I8}[weights]
    template.record.reserve = ffi.cast("void *", reserve)
    assert status_of(lib.rf_packed_bytes(template.record, size)) == f"RF_{status}"


@TYPES
@pytest.mark.parametrize("table", ["weight_ih", "weight_hh"])
@pytest.mark.parametrize("number", [np.nan, np.finfo("float32").max])
def test_the_library_packs_no_int8_of_what_has_no_scale(weights: Any, table: str, number: float) -> None:
    ffi, lib = library()
    problem = make_problem(Spec(states=False, layers=2, directions=2), "float32")
    problem.weights = weights
    getattr(problem, table)[-1][-1, -1] = number
    template, net = Template(problem, Layout()), ffi.new("rf_net **")
    packed = Block(template.size("packed"))
    template.record.packed_bytes = packed.size
    expected = "RF_ERROR_RANGE" if weights == "int8" else "RF_OK"
    assert status_of(lib.rf_pack(template.record, packed.pointer)) == expected
    assert status_of(lib.rf_net_create(template.record, ffi.NULL, 0, net)) == expected
    lib.rf_net_free(net[0])
