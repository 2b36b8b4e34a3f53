"""Whether a device has room for clusters as large as a net needs them: above 8 blocks not every one has."""

from __future__ import annotations

from rnnfast.backends.cuda.cluster.forward import forward_kernel
from rnnfast.backends.cuda.cluster.launch import forward_launch
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.problem import Problem

EVERYWHERE = 8
"""Blocks of a cluster that every device with clusters runs."""


def reason_against_device(device: Device, problem: Problem) -> str | None:
    """Return why the device cannot run the clusters of a net that they serve, None where it can."""
    described = forward_launch(
        problem.cell, problem.hidden_size, problem.batch, problem.num_directions, ragged=False, recorded=problem.record
    )
    if described.cluster <= EVERYWHERE:
        return None
    kernel = device.kernel(forward_kernel, *described.constants, threads=described.threads, tensor_cores=True)
    try:
        launch = kernel.launch(described.cluster, shared=described.shared, cluster=described.cluster)
        runs = launch.clusters_at_once() > 0
    except DriverError:
        runs = False
    return None if runs else f"this device runs no clusters of {described.cluster} blocks"
