"""The model that a command line names: read, made, and its sizes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.backends import choose
from rnnfast.commands.options import Options
from rnnfast.examples.errors import UserError
from rnnfast.integrations.content import Content
from rnnfast.integrations.models import read
from rnnfast.modules.recurrent import NETS
from rnnfast.nn import chain
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.model_file import made_of
from rnnfast.nn.sequential import Sequential


class Sizes(NamedTuple):
    """Sizes of what a model takes and gives at one step."""

    inputs: int | None
    """Features, None: any number of them."""
    outputs: int | None
    """Features, None: as many as come."""
    widest: int
    """The most features that go from part to part."""
    dtype: np.dtype[np.floating]
    takes_indices: bool = False


def opened(options: Options) -> tuple[Content, Sequential]:
    """Return what the file holds and the model made of it. Raises UserError."""
    try:
        choose.select(options.backend)
        found = read(options.model, parts=options.parts, prefix=options.prefix, dtype=options.dtype)
        return found, made_of(found.parts, found.arrays, str(options.model), options.backend)
    except OSError as error:
        raise UserError(f"cannot read {options.model}: {error.strerror or error}") from None
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        raise UserError(str(error)) from None
    except MemoryError:
        raise UserError(f"{options.model} does not fit into memory") from None


def sizes_of(model: Sequential) -> Sizes:
    """Return what a model takes and gives.

    >>> from rnnfast import nn
    >>> sizes_of(nn.Sequential(net=rnnfast.GRU(1, 9), head=nn.Linear(9, 2)))
    Sizes(inputs=1, outputs=2, widest=9, dtype=dtype('float32'), takes_indices=False)
    """
    widths: list[int] = []
    dtypes = [np.dtype("float32")]
    for part in model.parts.values():
        if isinstance(part, NETS):
            widths += [part.net.input_size, part.net.output_size]
            dtypes.append(part.net.dtype)
        elif isinstance(part, Linear):
            widths += [part.in_features, part.out_features]
            dtypes.append(part.dtype)
        elif isinstance(part, Embedding):
            widths += [1, part.embedding_dim]
            dtypes.append(part.dtype)
    indices = any(isinstance(part, Embedding) for part in model.parts.values())
    inputs = widths[0] if widths else None
    return Sizes(inputs, chain.output_size(model.parts), max(widths, default=1), dtypes[-1], indices)


def is_batch_first(model: Sequential) -> bool:
    """Return whether the model's sequences are (B, T, ·)."""
    return any(isinstance(part, NETS) and part.net.batch_first for part in model.parts.values())
