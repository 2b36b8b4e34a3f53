"""A table of what is measured: printed row by row, kept if asked to, and at the end what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rnnfast.benchmark import machine


def tell(head: Iterable[str], threads: int, rows: Iterable[tuple[str, list[str]]], output: Path | None) -> int:
    """Print the machine, the head and each row as it comes, to the file `output`, too; return the exit status.

    Rows come with what is wrong with them, which makes it 1.
    """
    setting = machine.describe([], (threads,)) | {"threads": str(threads)}
    lines = [*(f"{name:19}{text}" for name, text in setting.items()), "", *head]
    print("\n".join(lines), flush=True)
    wrong: list[str] = []
    for row, faults in rows:
        print(row, flush=True)
        lines.append(row)
        wrong += faults
    if output is not None:
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0
