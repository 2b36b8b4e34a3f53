"""`rnnfast convert`: a model written as the C library reads it."""

from __future__ import annotations

from rnnfast.commands.model import opened
from rnnfast.commands.options import Options
from rnnfast.examples.errors import UserError


def run(options: Options) -> None:
    """Read the model and save it. Raises UserError."""
    assert options.output is not None  # it is required
    found, model = opened(options)
    for name, said in found.conversions.items():
        print(f"converted: {name}: {said}")
    try:
        model.save(options.output)
    except OSError as error:
        raise UserError(f"cannot write {options.output}: {error.strerror or error}") from None
    except (ValueError, ImportError) as error:
        raise UserError(str(error)) from None
    print(f"saved: {options.output}, a model of {len(model.parts)} parts: {', '.join(model.parts)}")
