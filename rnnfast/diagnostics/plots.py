"""Plots of gradient flow and of gate statistics; matplotlib is imported when the first is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from rnnfast.arrays.host import as_array
from rnnfast.calls.gradients import Gradients
from rnnfast.diagnostics.gates import GateStatistics
from rnnfast.problem import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_gradient_flow(flows: Mapping[str, Gradients[Any] | ArrayLike], *, title: str | None = None) -> Figure:
    """Draw the norm of the state's gradient over time, on a log scale: a curve for every net, state and layer.

    `flows` has, by label, gradients of a `backward` with `monitor=True`, or norms (T,) or (T, L·D), such as
    `grads.state_norms["c"]`. A log scale has no place for norms of 0: there a curve ends. The figure that is returned
    is saved by its `savefig`.

    Raises TypeError for another kind of flow, ValueError for gradients that were not monitored or norms of another
    rank, ImportError without matplotlib.

    >>> import numpy as np, rnnfast
    >>> y, _, tape = rnnfast.LSTM(3, 4, seed=0).record(np.ones((5, 2, 3), np.float32))
    >>> figure = plot_gradient_flow({"lstm": tape.backward(y, monitor=True)})
    >>> [line.get_label() for line in figure.axes[0].get_lines()]
    ['lstm, h', 'lstm, c']
    """
    if not isinstance(flows, Mapping):
        raise TypeError(f"flows must be a mapping from label to gradients or norms, got {type(flows).__name__}")
    curves = [curve for label, flow in flows.items() for curve in _curves(label, flow)]
    figure = _figure("plot_gradient_flow", height=5)
    axes = figure.add_subplot(xlabel="time step t", ylabel="norm of the state's gradient at t", yscale="log")
    axes.set_title(title or "Gradient flow through time")
    for label, norms in curves:
        axes.plot(norms, label=label, linewidth=1)
    axes.grid(alpha=0.3)
    if curves:
        axes.legend()
    return figure


def plot_gate_statistics(statistics: Mapping[str, GateStatistics], *, k: int = 0) -> Figure:
    """Draw the result of `gate_statistics` for layer-direction k: every gate's mean and saturated shares over time.

    Raises TypeError for an argument that is no such mapping, ValueError for an empty one, ImportError without
    matplotlib, IndexError for a k that there is not.

    >>> import numpy as np, rnnfast
    >>> from rnnfast.diagnostics import gate_statistics
    >>> _, _, tape = rnnfast.LSTM(3, 4, seed=0).record(np.ones((5, 2, 3), np.float32))
    >>> [axes.get_ylabel() for axes in plot_gate_statistics(gate_statistics(tape)).axes]
    ['i', 'f', 'g', 'o']
    """
    if not isinstance(statistics, Mapping):
        raise TypeError(f"statistics must be what gate_statistics returned, got {type(statistics).__name__}")
    if not statistics:
        raise ValueError("statistics holds no gate, expected what gate_statistics returned")
    figure = _figure("plot_gate_statistics", height=2 * len(statistics))
    columns = figure.subplots(len(statistics), sharex=True, squeeze=False)[:, 0]
    for axes, (name, gate) in zip(columns, statistics.items(), strict=True):
        axes.plot(gate.mean[:, k], color="black", label="mean")
        axes.plot(gate.low[:, k], color="tab:blue", label="share saturated low")
        axes.plot(gate.high[:, k], color="tab:red", label="share saturated high")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    columns[0].legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    columns[-1].set_xlabel("time step t")
    return figure


def _curves(label: str, flow: Gradients[Any] | ArrayLike) -> Iterator[tuple[str, Array]]:
    """Yield the labels and norms (T,) of one net."""
    if isinstance(flow, Gradients):
        if flow.state_norms is None:
            raise ValueError(f"flows[{label!r}] has no state_norms: call backward with monitor=True")
        for name, values in flow.state_norms.items():
            yield from _curves(f"{label}, {name}", values)
        return
    norms = as_array(f"flows[{label!r}]", flow)
    if norms.dtype.kind not in "iuf":
        expected = "expected gradients of a recurrent net or an array of norms"
        raise TypeError(f"flows[{label!r}] is of type {type(flow).__module__}.{type(flow).__name__}, {expected}")
    if norms.ndim not in (1, 2):
        raise ValueError(f"flows[{label!r}] has shape {norms.shape}, expected (T,) or (T, L·D)")
    columns = (norms if norms.ndim == 2 else norms[:, None]).T
    for k, column in enumerate(columns):
        yield (label if len(columns) == 1 else f"{label} [{k}]"), column


def _figure(caller: str, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError(f"{caller} needs matplotlib, which is not installed: pip install 'rnnfast[demo]'") from error
    return Figure(figsize=(8, height), layout="constrained")
