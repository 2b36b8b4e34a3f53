"""PyTorch models plain and accelerated: shortened runs of each, how they are compared, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.examples import torch_models
from rnnfast.examples.errors import UserError
from rnnfast.examples.torch_runs import LOSS_TOLERANCE, Comparison, Run, compare

torch = pytest.importorskip("torch", reason="torch is not installed")
if why := rnnfast.backends()["c"]:
    pytest.skip(why, allow_module_level=True)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait for each other by spinning, which takes long on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def runs(*results: float, loss: float = 1.0, seconds: float = 2.0) -> tuple[Run, ...]:
    return tuple(Run((loss, loss), result, seconds) for result in results)


def test_comparisons_by_hand() -> None:
    found = Comparison(runs(3, 5, 4), runs(3.5, 5.5, 3.3, loss=1.00005, seconds=1.0))
    assert found.loss_difference == pytest.approx(5e-5)
    assert found.is_within_range and found.seconds == (2.0, 1.0)
    assert torch_models.faults(found) == []
    first, second, third = torch_models.lines("tagger", found, "letters")
    assert first == "tagger: 2.00 s plain, 1.00 s accelerated, 2.00 times as fast"
    assert "at most 5.0e-05" in second
    assert third == "  letters: plain 3, 5, 4; accelerated 3.5, 5.5, 3.3"
    for results in ((6, 6, 5), (1, 2, 3)):
        assert "outside the range" in torch_models.faults(Comparison(runs(3, 5, 4), runs(*results)))[0]
    for loss in (1 + 2 * LOSS_TOLERANCE, float("nan")):
        assert "allowed 0.0001" in torch_models.faults(Comparison(runs(3, 5), runs(3, 5, loss=loss)))[0]


def test_seeds_take_turns() -> None:
    calls: list[tuple[int, str]] = []

    def train(seed: int, changed: Callable[[Any], object]) -> Run:
        model = {"way": "plain"}
        changed(model)
        calls.append((seed, model["way"]))
        return Run((), seed, 1.0)

    found = compare(train, lambda model: model.update(way="accelerated"), (4, 5, 6))
    ways = ["plain", "accelerated"]
    assert calls == [(4, ways[0]), (4, ways[1]), (5, ways[1]), (5, ways[0]), (6, ways[0]), (6, ways[1])]
    assert [run.result for run in found.plain] == [run.result for run in found.accelerated] == [4, 5, 6]


def test_tags_say_what_stands_before_and_behind(rng: np.random.Generator) -> None:
    from rnnfast.examples.torch_tagger import FIRST, LAST, LONGEST, MIDDLE, NONE, ONLY, SHORTEST, sentences

    for letters, tags, length in zip(*sentences(20, rng), strict=True):
        assert SHORTEST <= length <= LONGEST == len(letters) and (tags[length:] == NONE).all()
        sentence = letters[:length].tolist()
        for place, letter in enumerate(sentence):
            before, behind = letter in sentence[:place], letter in sentence[place + 1 :]
            assert tags[place] == {(0, 0): ONLY, (0, 1): FIRST, (1, 1): MIDDLE, (1, 0): LAST}[before, behind]


@pytest.mark.parametrize("name", ["tagger", "characters"])
def test_accelerated_models_learn_as_plain_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"rnnfast.examples.torch_{name}.HIDDEN", 24)
    found, label = torch_models.run(name, (1, 2), updates=6)
    assert torch_models.faults(found) == [] and "held-out" in label
    assert found.plain[0].losses != found.plain[1].losses
    for run in found.plain + found.accelerated:
        assert len(run.losses) == 3 and run.seconds > 0


@pytest.mark.filterwarnings("ignore")  # of what is under the policy
def test_an_accelerated_policy_learns_as_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sb3_contrib", reason="sb3-contrib is not installed")
    from rnnfast.examples import torch_policy

    for name, size in (("ENVIRONMENTS", 2), ("ROLLOUT", 32), ("BATCH", 32)):
        monkeypatch.setattr(torch_policy, name, size)
    found, label = torch_models.run("policy", (1, 2), updates=4)
    assert found.loss_difference <= LOSS_TOLERANCE and "return" in label
    for run in found.plain + found.accelerated:
        assert len(run.losses) == 3 and 5 < run.result < 100


def test_a_layer_that_is_not_served_is_named() -> None:
    with pytest.raises(UserError, match="a: .*float16"):
        torch_models.accelerate(torch.nn.ModuleDict({"a": torch.nn.GRU(3, 4).half()}))


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("rnnfast.examples.torch_tagger.HIDDEN", 8)
    few = ["--updates", "3", "--seeds", "2", "--threads", "1"]
    assert torch_models.main(["--models", "tagger", *few]) == 0
    printed = capsys.readouterr().out
    assert "1 thread(s), seeds 0 to 1" in printed and "times as fast" in printed and "tagged right" in printed
    monkeypatch.setattr(torch_models, "LOSS_TOLERANCE", -1)
    assert torch_models.main(["--models", "tagger", *few]) == 1
    assert "tagger: the first losses differ by" in capsys.readouterr().err


def test_what_cannot_be_done_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(torch_models.NEEDS, "policy", ("torch", "no_such_package"))
    assert torch_models.main(["--models", "policy"]) == 1
    captured = capsys.readouterr()
    assert "policy: left out, pip install no-such-package" in captured.out
    assert captured.err.count("\n") == 1 and "none of the models can run" in captured.err
    assert torch_models.main(["--models", "tagger", "--seeds", "1"]) == 1
    assert "--seeds 1: a range of results takes two at least" in capsys.readouterr().err
