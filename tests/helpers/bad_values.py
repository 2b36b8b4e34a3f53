"""What the tests of bad input share: a net, arrays that fit it, and errors awaited word by word."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from nets import KINDS, normal

import rnnfast

T, B, I, H = 7, 4, 10, 6  # noqa: E741 (I is the input size)
X = normal(T, B, I).astype(np.float32)
SWAPPED = X.dtype.newbyteorder()
CLASSES: dict[str, Any] = {"rnn": rnnfast.RNN, "lstm": rnnfast.LSTM, "gru": rnnfast.GRU}
EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)


def lstm(**options: Any) -> Any:
    """A float32 LSTM."""
    return KINDS["lstm"](I, H, **options)


def zeros(*shape: int) -> Any:
    """A float32 array."""
    return np.zeros(shape, np.float32)


def fails(kind: type[Exception], message: str) -> Any:
    """The `with` block raises exactly this error with exactly these words in its message."""
    return pytest.raises(kind, match=re.escape(message))
