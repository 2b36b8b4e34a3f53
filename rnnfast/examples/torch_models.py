"""PyTorch models as they are, and with one line more that has rnnfast run their recurrent layers: results and times.

A recurrent policy of sb3-contrib, a bidirectional tagger and a character model, each trained plain and accelerated with
the same seeds, in turns. The losses of the first three updates may differ by 1e-4, and the mean of the accelerated
results must be one that the plain seeds cover: else the exit status is 1.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

from rnnfast.checks.command_line import count, names_of
from rnnfast.examples import command
from rnnfast.examples.errors import UserError
from rnnfast.examples.torch_runs import COMPARED, LOSS_TOLERANCE, Comparison, compare

NEEDS = {
    "policy": ("torch", "sb3_contrib"),
    "tagger": ("torch",),
    "characters": ("torch",),
}
"""The models, each in a module torch_NAME.py beside this one, and the packages that they need."""
SEEDS = 3


def show(*, models: tuple[str, ...], seed: int, seeds: int, threads: int | None, updates: int | None) -> None:
    """Train each model that can run here and print how both ways compare. UserError where they differ, or none runs."""
    if seeds < 2:
        raise UserError(f"--seeds {seeds}: a range of results takes two at least")
    missing = {name: lacking for name in models if (lacking := missing_packages(name))}
    for name, lacking in missing.items():
        print(f"{name}: left out, pip install {' '.join(lacking)}")
    if len(missing) == len(models):
        raise UserError("none of the models can run: install what is missing")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread(s), seeds {seed} to {seed + seeds - 1}")
    wrong = []
    for name in models:
        if name not in missing:
            found, label = run(name, range(seed, seed + seeds), updates)
            print("\n".join(lines(name, found, label)), flush=True)
            wrong += [f"{name}: {text}" for text in faults(found)]
    if wrong:
        raise UserError("; ".join(wrong))


def missing_packages(name: str) -> list[str]:
    """Return those that a model needs and that are not installed, as pip knows them."""
    return [each.replace("_", "-") for each in NEEDS[name] if importlib.util.find_spec(each) is None]


def run(name: str, seeds: Sequence[int], updates: int | None = None) -> tuple[Comparison, str]:
    """Train one of the models with each seed, plain and accelerated; also say what its result is."""
    module: Any = importlib.import_module(f"rnnfast.examples.torch_{name}")

    def train(seed: int, changed: Any) -> Any:
        return module.train(seed, changed) if updates is None else module.train(seed, changed, updates=updates)

    return compare(train, accelerate, seeds), module.RESULT


def accelerate(model: Any) -> None:
    """Have rnnfast run the recurrent layers of a model. UserError names those that it does not serve."""
    import rnnfast.integrations.torch as rft

    rft.accelerate(model)
    if reasons := rft.report(model):
        raise UserError("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def lines(name: str, found: Comparison, label: str) -> list[str]:
    """Say how both ways compare."""
    plain, accelerated = found.seconds
    results = [", ".join(f"{run.result:.4g}" for run in runs) for runs in (found.plain, found.accelerated)]
    return [
        f"{name}: {plain:.2f} s plain, {accelerated:.2f} s accelerated, {plain / accelerated:.2f} times as fast",
        f"  losses of the first {COMPARED} updates differ by at most {found.loss_difference:.1e}",
        f"  {label}: plain {results[0]}; accelerated {results[1]}",
    ]


def faults(found: Comparison) -> list[str]:
    """Say in what the accelerated runs differ from the plain ones more than they may."""
    apart = f"the first losses differ by {found.loss_difference:.1e}, allowed {LOSS_TOLERANCE:g}"
    outside = "the accelerated results lie outside the range of the plain ones"
    return [apart] * (not found.loss_difference <= LOSS_TOLERANCE) + [outside] * (not found.is_within_range)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("torch_models", __doc__, backend=False)
    add, every = parser.add_argument, ",".join(NEEDS)
    add("--models", type=names_of(NEEDS), default=tuple(NEEDS), metavar="NAME,...", help=f"of {every} (default: all)")
    add("--seeds", type=count, default=SEEDS, metavar="N", help=f"how many, from --seed on (default: {SEEDS})")
    add("--threads", type=count, metavar="N", help="of PyTorch and so of rnnfast (default: PyTorch's own)")
    add("--updates", type=count, metavar="N", help="of each training (default: each model's own)")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
