"""From the options of `rnnfast bench` to a plan: what is to be measured, and whether it can be."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace

import rnnfast
from rnnfast.backends import choose
from rnnfast.benchmark import peers, session
from rnnfast.benchmark.cases import WEIGHTS, Case, Filter, Weights
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.pairs import PAIRS, Pair
from rnnfast.benchmark.suites import BATCHES, HIDDENS, STEPS, SUITES, THREE, grid
from rnnfast.examples.errors import UserError


def make_plan(options: Options) -> session.Plan:
    """Return what the options ask for. Raises UserError where that is nothing, or cannot be had here."""
    session.check_threads(options.threads)
    sizes = options.steps, options.batch, options.hidden
    wanted = Filter(options.cells, options.work, *sizes, options.parts, options.max_gflop)
    suite = list(_suite(options))
    chosen = [replace(case, dtype=dtype) for dtype in options.dtype for case in suite if wanted(case)]
    if types := _weights(options):
        inference = [case for case in chosen if case.work != "training"]
        chosen = [replace(case, weights=weights) for weights in types for case in inference]
    parts = dict.fromkeys(case.part for case in chosen)
    of_pairs: dict[str, Pair] = {part: PAIRS[part] for part in parts if part in PAIRS}
    absent = _absent(options, of_pairs)
    pairs = [pair for part, pair in of_pairs.items() if part not in absent]
    plan = session.Plan(
        cases=tuple(case for case in chosen if case.part not in absent),
        threads=options.threads,
        backends=tuple(dict.fromkeys(pair.ours for pair in pairs)) or _backends(options),
        peers=tuple(dict.fromkeys(pair.theirs for pair in pairs)) or _peers(options),
        seconds=options.seconds or (0.5 if options.suite == "quick" else 2.0),
        absent=absent,
    )
    if absent and not plan.cases:
        raise UserError("; ".join(f"{part} cannot be timed, {reason}" for part, reason in absent.items()))
    if not plan.cases:
        raise UserError(
            f"no case of the suite {options.suite!r} passes these filters, it has {_described(suite)}: "
            "leave some filters out, or take the suite 'grid', which takes any --steps, --batch and --hidden"
        )
    return plan


def _weights(options: Options) -> tuple[Weights, ...]:
    """Return the types of weights that were asked for. Raises UserError for options that do not go with them."""
    types = options.weights or (WEIGHTS if options.suite == "weights" else ())
    if types and options.suite not in ("weights", "grid"):
        raise UserError(f"--weights has a suite of its own, or goes with the suite 'grid': leave out {options.suite!r}")
    if types and options.dtype != ("float32",):
        raise UserError("--dtype: nets of float32 alone have rounded weights: leave it out")
    names = (*(options.peers or ()), *(options.backends or ()))
    wide = [name for name in names if name in peers.REQUIRES | peers.INSIDE and name not in peers.NARROW]
    if types and wide:
        raise UserError(f"no weights in {' or '.join(types)} are timed in {', '.join(wide)}: leave out these names")
    return types


def _absent(options: Options, of_pairs: dict[str, Pair]) -> dict[str, str]:
    """Return the parts that cannot be timed here, with why. Raises UserError for options of which pairs have no use."""
    if of_pairs and any(option is not None for option in (options.backends, options.peers, options.base)):
        said = f"the suite {options.suite!r} has pairs of its own"
        raise UserError(f"{said}: leave out --backends, --peers and --base, and choose among them by --parts")
    reasons = {part: _against(pair) for part, pair in of_pairs.items()}
    return {part: reason for part, reason in reasons.items() if reason is not None}


def _against(pair: Pair) -> str | None:
    of_pair = peers.reason(pair.ours) or peers.reason(pair.theirs) or peers.missing(pair.needs)
    return of_pair or rnnfast.backends()["c"]


def _suite(options: Options) -> Iterable[Case]:
    if options.suite == "grid":  # its axes can be anything
        return grid(options.steps or STEPS, options.batch or BATCHES, options.hidden or HIDDENS, options.cells or THREE)
    return SUITES[options.suite]()


def _described(cases: Iterable[Case]) -> str:
    rows = [(case.work, f"T {case.steps}", f"B {case.batch}", f"H {case.hidden}") for case in cases]
    return "; ".join(", ".join(dict.fromkeys(column)) for column in zip(*rows, strict=True))


def _backends(options: Options) -> tuple[str, ...]:
    """Return the backends asked for, else all that run here but the reference; peers are held against the first.

    The suite "torch" begins with what it is about, and has the default backend beside it. Weights are narrow in the
    default backend alone: the others compute with rounded numbers of float32.
    """
    if options.backends is None and options.suite != "torch":
        return _able()[:1] if _weights(options) else _able()
    names = options.backends or (*peers.INSIDE, _able()[0])
    for name in names:
        if name in peers.INSIDE:
            if reason := peers.reason(name) or rnnfast.backends()["c"]:
                raise UserError(f"{name} cannot run, {reason}: leave out this name and the suite 'torch'")
            continue
        try:
            choose.select(name)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"--backends {name}: {str(error).removeprefix('backend= ')}") from None
    return names


def _able() -> tuple[str, ...]:
    """Return the backends that run here, the reference only where it is the only one."""
    able = [name for name, reason in rnnfast.backends().items() if reason is None and ":" not in name]
    return tuple(name for name in able if name != "reference") or ("reference",)


def _peers(options: Options) -> tuple[str, ...]:
    """Return the peers asked for, or the usual ones that are installed."""
    missing = {name: reason for name in options.peers or () if (reason := peers.reason(name))}
    if missing:
        raise UserError(f"--peers: {', '.join(missing.values())}: install or leave out {', '.join(missing)}")
    asked = usual_peers(options) if options.peers is None else options.peers
    return tuple(name for name in asked if peers.reason(name) is None)


def usual_peers(options: Options) -> tuple[str, ...]:
    """Return the peers, installed or not, that cases are timed beside where none are named; of pairs, their own."""
    if options.suite == "torch":
        return ("torch",)
    return peers.NARROW if _weights(options) else tuple(peers.REQUIRES)


def check_destinations(options: Options) -> None:
    """Raise UserError where results could not be written: before hours of measuring, not after."""
    try:
        if options.json is not None:
            options.json.open("a").close()
        if options.plot is not None:
            options.plot.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=options.plot).close()
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror or error}") from None
