"""Diagnostics of nets in training: how the state's gradient flows through time, and where the gates stand.

`plot_gradient_flow` draws what `tape.backward(..., monitor=True)` found; `gate_statistics` sums up a tape's gates.
Plots need matplotlib: pip install 'rnnfast[demo]'.
"""

from rnnfast.diagnostics.gates import GateStatistics, gate_statistics
from rnnfast.diagnostics.plots import plot_gate_statistics, plot_gradient_flow

__all__ = ["GateStatistics", "gate_statistics", "plot_gate_statistics", "plot_gradient_flow"]
