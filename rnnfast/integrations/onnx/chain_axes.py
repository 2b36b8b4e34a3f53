"""Axes by name through the nodes of a chain that move them: "D" the directions, "F" the features, others numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnfast.integrations.onnx.graph import Node
from rnnfast.integrations.onnx.shaping import integers
from rnnfast.problem import Array

Axes = tuple[int | str, ...]


def transposed(axes: Axes, node: Node) -> Axes:
    """Return the axes in the order of a Transpose."""
    perm = node.attribute("perm", range(len(axes))[::-1])
    if sorted(perm) != list(range(len(axes))):
        raise ValueError(f"attribute perm is {list(perm)}, its input has {len(axes)} axes")
    return tuple(axes[k] for k in perm)


def squeezed(axes: Axes, node: Node, given: Array | None, directions: int) -> Axes:
    """Return the axes without that of one direction, which a Squeeze may drop, and no other."""
    dropped = node.attribute("axes", None) if given is None else integers("axes", given)
    names = [axes[k] for k in dropped or () if -len(axes) <= k < len(axes)]
    if names != ["D"] or directions != 1:
        raise ValueError(f"drops axes {dropped}, expected that of one direction alone")
    return tuple(axis for axis in axes if axis != "D")


def reshaped(
    axes: Axes, shape: Sequence[int], copies: bool, sizes: Mapping[int | str, int | None], features: int
) -> Axes:
    """Return the axes after a Reshape that joins directions and features, or drops a single direction.

    sizes: those of axes that the file tells; features: D·H. `copies`: a 0 takes over the axis at its place.
    """
    left = tuple(axis for axis in axes if axis not in ("D", "F"))
    single = features == sizes["F"]
    joins = axes == (*left, "D", "F") or (axes[-1] == "F" and single and "D" in axes)
    fits = len(shape) == 3 and shape[2] in (-1, features) and list(shape).count(-1) <= 1
    for k, (axis, size) in enumerate(zip(left, shape, strict=False)):
        fits = fits and (size in (-1, sizes[axis]) if size else copies and axes[k] == axis)
    if not (joins and fits):
        raise ValueError(f"shapes to {tuple(shape)}, expected directions and features joined, {features} of them")
    return (*left, "F")
