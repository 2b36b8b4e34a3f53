"""The operators that traced code calls: what PyTorch asks of an operator, derivatives, transforms, threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.autograd import forward_ad  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch_operators import CALLS, PLAIN, arguments_of, backward_arguments, leaves_of  # noqa: E402

from rnnfast.calls.prepared import RECORDED  # noqa: E402
from rnnfast.integrations.torch import fake, kernels, operators  # noqa: E402, F401
from rnnfast.integrations.torch.calls import runner_of  # noqa: E402
from rnnfast.integrations.torch.checked import net_of  # noqa: E402
from rnnfast.problem import CELLS  # noqa: E402

ops = torch.ops.rnnfast


class Seen(TorchDispatchMode):
    """Names of our operators that run, and what backwards are told is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.needed: list[list[bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "rnnfast":
            self.names.append(func._opname)
            self.needed += [args[4]] if func._opname == "backward" else []
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("call", CALLS)
def test_pytorch_finds_nothing_wrong_with_them(call: str) -> None:
    torch.library.opcheck(ops.forward.default, arguments_of(call))
    plain = arguments_of(call, dtype=torch.float32, grad=False)
    for operator, arguments in ((ops.infer, plain), (ops.record, plain), (ops.backward, backward_arguments(plain))):
        torch.library.opcheck(operator.default, arguments, test_utils=("test_schema", "test_faketensor"))


@pytest.mark.parametrize("call", CALLS)
def test_gradients_are_those_of_finite_differences(call: str) -> None:
    arguments = arguments_of(call, steps=3, batch=2)
    leaves = leaves_of(arguments)

    def run(*_: Any) -> Any:
        outputs = ops.forward(*arguments)
        return tuple(output for output in outputs if output.requires_grad)

    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_size_of_a_reserve_is_foreseen(cell: str, dtype: torch.dtype) -> None:
    sizes = itertools.product((1, 8, 16, 17, 127, 128, 136, 256, 272, 300), ("zero", "hold"), ((1, False), (3, True)))
    for hidden, masked_output, (layers, bidirectional) in sizes:
        if CELLS[cell].projects and hidden == 1:
            continue
        options = PLAIN._replace(
            cell=cell,
            hidden_size=hidden,
            num_layers=layers,
            bidirectional=bidirectional,
            masked_output=masked_output,
            proj_size=(hidden + 1) // 2 if CELLS[cell].projects else 0,
        )
        net = net_of(options, 5, dtype)
        for steps, batch in ((1, 1), (7, 3)):
            said = runner_of(net, 1).form(RECORDED, (steps, batch, 5)).reserve_bytes
            assert fake.reserve_of(net, steps, batch) == said, (hidden, masked_output, layers)


def test_nothing_is_recorded_where_no_gradient_can_be_asked_for() -> None:
    arguments, plain = arguments_of("lstm"), arguments_of("lstm", grad=False)
    with Seen() as seen:
        assert ops.forward(*arguments)[0].requires_grad
        with torch.no_grad():
            assert not ops.forward(*arguments)[0].requires_grad
        with torch.inference_mode():
            assert ops.forward(*arguments)[0].is_inference()
        assert not ops.forward(*plain)[0].requires_grad
    assert seen.names == ["record", "infer", "forward", "infer"]  # to inference tensors autograd has no say


@pytest.mark.parametrize("call", ["lstm", "lstm, dropout, hold"])
def test_the_same_graph_gives_the_same_gradients_again(call: str) -> None:
    arguments = arguments_of(call)
    y, h_n, c_n = ops.forward(*arguments)
    once, again = (
        torch.autograd.grad(y.sum() + h_n.sum() + c_n.sum(), leaves_of(arguments), retain_graph=True) for _ in range(2)
    )
    assert all(map(torch.equal, once, again))


def test_gradients_come_for_those_alone_that_need_them() -> None:
    arguments = arguments_of("lstm")
    for leaf in leaves_of(arguments):
        leaf.requires_grad_(False)
    arguments[1][1].requires_grad_()
    ops.forward(*arguments)[0].sum().backward()
    assert [leaf.grad is not None for leaf in leaves_of(arguments)].count(True) == 1
    assert arguments[1][1].grad is not None


def test_nothing_is_computed_that_nobody_needs() -> None:
    arguments = arguments_of("lstm")
    x, h0, c0, weight = arguments[0], arguments[2], arguments[3], arguments[1][-1]
    for leaves in ([x], [h0], [c0], [weight], [x, weight]):
        for leaf in leaves_of(arguments):
            leaf.requires_grad_(any(leaf is one for one in leaves))
        with Seen() as seen:
            ops.forward(*arguments)[0].sum().backward()
        assert seen.needed == [[any(one is leaf for leaf in leaves) for one in (x, h0, c0, weight)]]


def test_a_second_derivative_is_refused() -> None:
    arguments = arguments_of("gru")
    (first,) = torch.autograd.grad(ops.forward(*arguments)[0].sum(), arguments[0], create_graph=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        (first**2).sum().backward()


def forward_mode(run: Callable[..., Any], x: Any) -> None:
    with forward_ad.dual_level():
        run(forward_ad.make_dual(x, x))


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # torch.func.jvp calls it
@pytest.mark.parametrize(
    "transform",
    [
        forward_mode,
        lambda run, x: torch.func.jvp(run, (x,), (x,)),
        lambda run, x: torch.func.grad(run)(x),
        lambda run, x: torch.vmap(run)(x[None]),
    ],
    ids=["forward_ad", "jvp", "grad", "vmap"],
)
@pytest.mark.parametrize("grad", [True, False])
def test_other_transforms_are_refused(transform: Callable[..., Any], grad: bool) -> None:
    _, *rest = arguments_of("gru", grad=grad)
    x = arguments_of("gru", grad=False)[0]
    with pytest.raises(RuntimeError, match="restore"):
        transform(lambda x: ops.forward(x, *rest)[0].sum(), x)


def test_autocast_computes_in_float32() -> None:
    x, *rest = arguments_of("lstm", dtype=torch.float32)
    expected = ops.forward(x.bfloat16().float(), *rest)
    with torch.autocast("cpu", torch.bfloat16):
        y, *_ = found = ops.forward(x.bfloat16(), *rest)
    assert y.dtype == torch.float32 and all(map(torch.equal, found, expected))
    y.sum().backward()
    assert x.grad.dtype == torch.float32


def test_calls_run_on_as_many_threads_as_pytorch_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, before = [], torch.get_num_threads()
    runner_of = kernels._runner
    monkeypatch.setattr(kernels, "_runner", lambda *form: counts.append(form[-1]) or runner_of(*form))
    arguments = arguments_of("lstm", dtype=torch.float32)
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            ops.forward(*arguments)[0].sum().backward()
    finally:
        torch.set_num_threads(before)
    assert counts == [1, 1, 3, 3]


def test_a_state_that_the_cell_has_not_needs_no_gradient() -> None:
    y, h_n, c_n = ops.forward(*arguments_of("gru"))
    assert y.requires_grad and h_n.requires_grad and not c_n.requires_grad and c_n.shape == (0,)
