"""The numbers that a layer works on, in one array: gates, states before and after, and what lies between."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba.extending import register_jitable

from rnnfast.backends.numba.shapes import Shape, Sizes


class Kept(NamedTuple):
    """Tables with a row for each entry; without a record all but the gates have one for each row of the batch.

    What a layer does not need has no rows.
    """

    mask: Any
    """(B, S): factors of recurrent dropout."""
    gates: Any
    """(n, slots·H): pre-activations, after forward gates, after backward gradients of pre-activations."""
    h_before: Any
    h_in: Any
    """h in the first product: under dropout, or h itself."""
    operand: Any
    """What a later product is of, that of W_hr included."""
    c_before: Any
    c_after: Any


@register_jitable
def starts(shape: Shape, sizes: Sizes, entries: int) -> tuple[int, ...]:
    """Return where each table begins and, last, where the last one ends."""
    rows = entries if sizes.recorded else sizes.batch
    of_h, table = rows * sizes.state, rows * sizes.hidden
    gates = sizes.masked * sizes.batch * sizes.state
    h_before = gates + entries * shape.slots * sizes.hidden
    h_in = h_before + of_h
    operand = h_in + sizes.masked * of_h
    c_before = operand + min(shape.phases - 1 + shape.projects, 1) * table
    c_after = c_before + (shape.states - 1) * table
    d_after = c_after + (shape.states - 1) * table
    end = d_after + shape.projects * sizes.recorded * of_h
    return 0, gates, h_before, h_in, operand, c_before, c_after, d_after, end


@register_jitable
def table(numbers: Any, start: int, end: int, row: int) -> Any:
    """Return rows of an array of numbers."""
    return numbers[start:end].reshape((end - start) // row, row)


@register_jitable
def tables(shape: Shape, sizes: Sizes, entries: int, numbers: Any) -> Kept:
    """Return the tables in an array of so many numbers."""
    row, state, at = sizes.hidden, sizes.state, starts(shape, sizes, entries)
    h_before = table(numbers, at[2], at[3], state)
    return Kept(
        table(numbers, at[0], at[1], state),
        table(numbers, at[1], at[2], shape.slots * row),
        h_before,
        table(numbers, at[3], at[4], state) if sizes.masked else h_before,
        table(numbers, at[4], at[5], row),
        table(numbers, at[5], at[6], row),
        table(numbers, at[6], at[7], row),
    )


@register_jitable
def output_gradients(shape: Shape, sizes: Sizes, entries: int, numbers: Any) -> Any:
    """Return the table of dL/dh' (n, S), which backward leaves for the gradient of W_hr, of a cell that projects.

    It is none of `Kept`, which every step of every cell passes on.
    """
    at = starts(shape, sizes, entries)
    return table(numbers, at[7], at[8], sizes.state)
