"""Room for clusters on a device: whether it has any for those of a net, and among how many the rows are shared out.

What the blocks of a cluster send one another at every step is in proportion to its rows: on an H200 an LSTM of 256
units takes 1.27 us a step forward with 8 rows, 0.97 with 4, 0.82 with 2. So a batch is shared out among as many
clusters as run at once.
"""

from __future__ import annotations

from rnnfast.backends.cuda.cluster.forward import forward_kernel
from rnnfast.backends.cuda.cluster.launch import ForwardLaunch, forward_launch
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.cuda.cluster.sizes import reason_against_call
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.problem import Problem

EVERYWHERE = 8
"""Blocks of a cluster that every device with clusters runs."""
ALONE = 116 << 10
"""Bytes of shared memory of which no multiprocessor has twice as many: a block that asks for them has one to itself."""
TAKEN = 7 / 8
"""Of a device's multiprocessors. On an H200, 132 of them, LSTM of 64 units, 32 rows, forward and backward: 16 clusters
of 4 blocks took 0.52 and 0.67 us a step, 32 clusters 0.58 and 0.83; with 128 units 8 clusters of 8 blocks 0.68 and
0.76, 16 clusters 0.70 and 1.59."""


def reason_against_clusters(device: Device, problem: Problem, *, holds: bool = False) -> str | None:
    """Return why calls, which may hold outputs, are none for clusters on a device, None where they are."""
    against = reason_against_call(problem, device.limits.capability, holds=holds)
    return against or reason_against_device(device, problem)


def reason_against_device(device: Device, problem: Problem) -> str | None:
    """Return why the device cannot run the clusters of a net that they serve, None where it can."""
    described = _launch(problem, ragged=False)
    if described.cluster <= EVERYWHERE or _count(device, described, described.shared) > 0:
        return None
    return f"this device runs no clusters of {described.cluster} blocks"


def clusters_at_once(device: Device, problem: Problem, *, ragged: bool) -> int:
    """Return how many of a net's clusters the device runs at once, each block on a multiprocessor of its own.

    Where nearly all multiprocessors are taken, some clusters wait for others or share one: a step then takes up to
    twice as long. So a part of them is left out. 0: it does not tell, as blocks have less shared memory than `ALONE`.
    """
    described = _launch(problem, ragged=ragged)
    found = _count(device, described, ALONE)
    return min(found, max(1, int(device.limits.blocks * TAKEN) // described.cluster))


def _launch(problem: Problem, *, ragged: bool) -> ForwardLaunch:
    return forward_launch(
        problem.cell, problem.hidden_size, problem.batch, problem.num_directions, ragged=ragged, recorded=problem.record
    )


def _count(device: Device, described: ForwardLaunch, shared: int) -> int:
    """Return how many clusters run at once whose blocks have so much shared memory, 0 where none can."""
    kernel = device.kernel(forward_kernel, *described.constants, threads=described.threads, tensor_cores=True)
    try:
        return kernel.launch(described.cluster, shared=shared, cluster=described.cluster).clusters_at_once()
    except DriverError:
        return 0


def tile_rows(batch: int, directions: int, at_once: int) -> int:
    """Return how many rows a cluster has: the fewest with which all clusters run at once, at most 8.

    >>> [tile_rows(batch, 1, 7) for batch in (1, 8, 32, 56, 57, 1000)]
    [1, 2, 5, 8, 8, 8]
    """
    for rows in range(1, ROWS):
        if directions * -(-batch // rows) <= at_once:
            return rows
    return ROWS
