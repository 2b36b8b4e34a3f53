"""thinc's LSTM as `peer_thinc` calls it, of rnnfast's operations."""

from __future__ import annotations

from rnnfast.benchmark import peer_thinc
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.integrations.thinc import RnnfastOps

lacks = peer_thinc.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make the arguments of a call."""
    return peer_thinc.prepare(case, data, RnnfastOps())
