"""What JAX makes of the functions: jit, vmap, scan, gradients of these, donation, threads, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from rnnfast.backends.c.library import is_built

jax = pytest.importorskip("jax", reason="jax is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

import jax.numpy as jnp  # noqa: E402
from jax_calls import net_of, random  # noqa: E402
from programs import python  # noqa: E402

from rnnfast.integrations.jax import gru, lstm  # noqa: E402

T, B, I, H, N = 6, 3, 4, 5, 4  # noqa: E741 (I is the input size)
LSTM = {name: jnp.asarray(value) for name, value in net_of("LSTM", (I, H)).state_dict().items()}
X, MANY, DY = random(T, B, I), random(N, T, B, I, seed=1), random(T, B, H, seed=2)


def loss(parameters: Any, x: Any) -> Any:
    """A number that depends on all outputs and final states."""
    y, (h, c) = lstm(parameters, x)
    return (y * DY).sum() + (h * c).sum()


def assert_close(got: Any, right: Any) -> None:
    """Equal within float32's rounding, whatever holds the arrays."""
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5), got, right)


def scanned(parameters: Any, x: Any, state: Any) -> Any:
    """An LSTM of one layer as people write it in JAX."""
    projected = x @ parameters["weight_ih_l0"].T + parameters["bias_ih_l0"]

    def step(state: Any, inputs: Any) -> Any:
        h, c = state
        sums = inputs + h @ parameters["weight_hh_l0"].T + parameters["bias_hh_l0"]
        i, f, g, o = jnp.split(sums, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, state, projected)
    return y, (h[None], c[None])


def test_agrees_with_a_scan() -> None:
    h, c = random(1, B, H, seed=3), random(1, B, H, seed=4)

    def ours(parameters: Any, x: Any, h: Any, c: Any) -> Any:
        y, (h, c) = lstm(parameters, x, (h, c))
        return (y * DY).sum() + (h * c).sum(), y

    def theirs(parameters: Any, x: Any, h: Any, c: Any) -> Any:
        y, (h, c) = scanned(parameters, x, (h[0], c[0]))
        return (y * DY).sum() + (h * c).sum(), y

    got, right = (jax.jit(jax.grad(f, argnums=(0, 1, 2, 3), has_aux=True))(LSTM, X, h, c) for f in (ours, theirs))
    assert_close(got, right)


def calls_of(function: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
    """How many calls a program has, and how many loops."""
    text = str(jax.make_jaxpr(function)(*arguments))
    return text.count("= rnnfast_"), text.count("= scan[")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_vmap_makes_sequences_rows_of_one_call(axis: int) -> None:
    sequences = np.moveaxis(MANY, 0, axis)
    mapped = jax.vmap(lambda x: lstm(LSTM, x), in_axes=axis)
    assert calls_of(mapped, sequences) == (1, 0)
    y, (h, c) = mapped(sequences)
    for k, x in enumerate(MANY):
        right, (right_h, right_c) = lstm(LSTM, x)
        assert all(np.array_equal(*pair) for pair in ((y[k], right), (h[k], right_h), (c[k], right_c)))


def test_vmap_of_sequences_without_a_batch_axis_copies_nothing() -> None:
    sequences = MANY[:, :, 0]
    mapped = jax.vmap(lambda x: lstm(LSTM, x)[0])
    assert "transpose" not in jax.jit(mapped).lower(sequences).compile().as_text()
    assert np.array_equal(mapped(sequences), np.stack([lstm(LSTM, x)[0] for x in sequences]))


def test_vmap_of_states_flags_and_lengths() -> None:
    h, lengths, mask = random(N, 1, B, H), np.arange(N * B).reshape(N, B) % (T + 1), random(N, T, B) > 0
    parameters = net_of("GRU", (I, H)).state_dict()
    y, final = jax.vmap(lambda h, n, m: gru(parameters, X, h, lengths=n, mask=m), in_axes=(0, 0, 0))(h, lengths, mask)
    for k in range(N):
        right, right_h = gru(parameters, X, h[k], lengths=lengths[k], mask=mask[k])
        assert np.array_equal(y[k], right) and np.array_equal(final[k], right_h)


def test_vmap_inside_of_a_gradient_sums_over_all_rows_at_once() -> None:
    def total(parameters: Any, xs: Any) -> Any:
        return jax.vmap(loss, in_axes=(None, 0))(parameters, xs).sum()

    gradient = jax.grad(total, argnums=(0, 1))
    assert calls_of(gradient, LSTM, MANY) == (2, 0)
    of_parameters, dx = jax.jit(gradient)(LSTM, MANY)
    each = [jax.grad(loss, argnums=(0, 1))(LSTM, x) for x in MANY]
    assert_close(of_parameters, jax.tree.map(lambda *parts: sum(parts), *[one for one, _ in each]))
    assert_close(dx, np.stack([one for _, one in each]))


def test_vmap_outside_of_a_gradient_and_over_weights() -> None:
    """A gradient for each sequence, and nets of several weights: one call after the other."""
    single = jax.grad(loss)
    got = jax.jit(jax.vmap(single, in_axes=(None, 0)))(LSTM, MANY)
    assert_close(got, jax.tree.map(lambda *parts: np.stack(parts), *[single(LSTM, x) for x in MANY]))
    nets = [net_of("LSTM", (I, H)).state_dict() for _ in range(2)]
    nets[1] = {name: 2 * value for name, value in nets[1].items()}
    stacked = jax.tree.map(lambda *parts: np.stack(parts), *nets)
    y, _ = jax.vmap(lambda parameters: lstm(parameters, X))(stacked)
    assert np.array_equal(y, np.stack([lstm(parameters, X)[0] for parameters in nets]))
    jacobian = jax.jacrev(lambda x: lstm(LSTM, x)[0][-1, 0])(X)
    right = [jax.grad(lambda x, unit=unit: lstm(LSTM, x)[0][-1, 0, unit])(X) for unit in range(H)]
    assert_close(jacobian, np.stack(right))


def test_vmap_with_dropout_gives_what_each_call_gives() -> None:
    def dropped(x: Any) -> Any:
        return lstm(LSTM, x, input_dropout=0.5, key=jax.random.key(1))[0]

    assert np.array_equal(jax.vmap(dropped)(MANY), np.stack([dropped(x) for x in MANY]))


def test_scan_carries_the_state_from_chunk_to_chunk() -> None:
    def through(parameters: Any, x: Any) -> Any:
        def chunk(state: Any, x: Any) -> Any:
            y, state = lstm(parameters, x, state)
            return state, y

        start = jnp.zeros((1, B, H)), jnp.zeros((1, B, H))
        (h, c), y = jax.lax.scan(chunk, start, x.reshape(3, T // 3, B, I))
        return (y.reshape(T, B, H) * DY).sum() + (h * c).sum()

    got, right = (jax.jit(jax.value_and_grad(f, argnums=(0, 1)))(LSTM, X) for f in (through, loss))
    assert_close(got, right)


def test_checkpoint_and_donated_arrays() -> None:
    right = jax.value_and_grad(loss, argnums=(0, 1))(LSTM, X)
    assert_close(jax.jit(jax.value_and_grad(jax.checkpoint(loss), argnums=(0, 1)))(LSTM, X), right)
    descend = jax.jit(lambda x: x - jax.grad(loss, argnums=1)(LSTM, x), donate_argnums=0)
    x = jnp.asarray(X)
    assert_close(descend(x), X - right[1][1])
    assert x.is_deleted()


def test_threads_at_once() -> None:
    step = jax.jit(jax.value_and_grad(loss))
    right = [step(LSTM, x) for x in MANY]
    with ThreadPoolExecutor(N) as pool:
        for _ in range(10):
            for got, one in zip(pool.map(lambda x: step(LSTM, x), MANY), right, strict=True):
                assert jax.tree.all(jax.tree.map(np.array_equal, got, one))


def test_what_is_not_wanted_is_not_computed() -> None:
    def backward_of(argnums: Any, function: Any = loss) -> str:
        text = str(jax.make_jaxpr(jax.grad(function, argnums))(LSTM, X))
        return text[text.index("given=") :]

    assert "wanted=('dx',)" in backward_of(1) and "'dx'" not in backward_of(0)
    assert "given=('dh_n',)" in backward_of(1, lambda parameters, x: lstm(parameters, x)[1][0].sum())


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "jvp": (lambda: jax.jvp(lambda x: lstm(LSTM, x)[0], (X,), (X,)), "reverse mode alone"),
    "jitted jvp": (lambda: jax.jit(lambda: jax.jvp(lambda x: lstm(LSTM, x)[0], (X,), (X,)))(), "reverse mode alone"),
    "jacfwd": (lambda: jax.jacfwd(loss, 1)(LSTM, X), "reverse mode alone"),
    "hessian": (lambda: jax.hessian(loss, 1)(LSTM, X), "cannot be differentiated again"),
    "twice": (lambda: jax.grad(lambda x: jax.grad(loss, 1)(LSTM, x).sum())(X), "cannot be differentiated again"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_forward_mode_and_second_derivatives_are_refused(what: str) -> None:
    call, words = REFUSED[what]
    with pytest.raises(TypeError, match=words):
        call()


def test_another_platform_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="runs on the CPU alone"):
        jax.export.export(jax.jit(lambda x: lstm(LSTM, x)), platforms=["cuda"])(X)


def test_without_jit() -> None:
    with jax.disable_jit():
        assert np.array_equal(lstm(LSTM, X)[0], jax.jit(lstm)(LSTM, X)[0])


def test_exported_programs_run_in_another_process() -> None:
    """Whoever imports rnnfast.integrations.jax has what they call."""
    allowed = [jax.export.DisabledSafetyCheck.custom_call("rnnfast_forward")]
    exported = jax.export.export(jax.jit(lambda x: lstm(LSTM, x)[0]), disabled_checks=allowed)(X)
    said = python(
        "import jax, numpy as np, rnnfast.integrations.jax\n"
        f"program = jax.export.deserialize({bytes(exported.serialize())!r})\n"
        f"print(np.asarray(program.call(np.array({X.tolist()}, 'float32'))).tobytes().hex())"
    )
    assert said.strip() == np.asarray(lstm(LSTM, X)[0]).tobytes().hex()


ON_TWO_DEVICES = """
import jax, numpy as np, rnnfast
from jax.sharding import PartitionSpec as P
from rnnfast.integrations.jax import lstm

jax.config.update("jax_num_cpu_devices", 2)
parameters = rnnfast.LSTM(3, 4, seed=0, backend="c").state_dict()
x = np.random.default_rng(0).standard_normal((5, 6, 3)).astype("float32")
mesh = jax.make_mesh((2,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))

def loss(call, parameters):
    return (call(parameters, x) ** 2).sum()

def of_shards(checked):
    own = jax.shard_map(
        lambda p, x: lstm(p, x)[0], mesh=mesh, in_specs=(P(), P(None, "rows")), out_specs=P(None, "rows"),
        check_vma=checked)
    return jax.jit(jax.grad(lambda p: loss(own, p)))(parameters)

right = jax.grad(lambda p: loss(lambda p, x: lstm(p, x)[0], p))(parameters)
for name, gradient in of_shards(False).items():
    np.testing.assert_allclose(gradient, right[name], rtol=1e-5, atol=1e-5)
try:
    of_shards(True)
except NotImplementedError as error:
    print(error)
"""


def test_shards_of_a_batch_on_several_devices() -> None:
    assert "takes check_vma=False" in python(ON_TWO_DEVICES)
