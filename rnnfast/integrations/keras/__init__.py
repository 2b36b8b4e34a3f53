"""Keras 3: models from its files, for which Keras need not be installed, and its own recurrent layers run by rnnfast.

`rnnfast.load_model` reads its files. Keras itself is imported when one of the names here is asked for, on the backend
that KERAS_BACKEND in the environment says, without it TensorFlow's; its torch and numpy, which needs scipy, are served.

>>> import keras
>>> from rnnfast.integrations.keras import accelerate, report
>>> model = accelerate(keras.Sequential([keras.layers.LSTM(4)]))
>>> report(model)
{}
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnfast.integrations.keras.acceleration import accelerate, accelerated, report, restore

__all__ = ["accelerate", "accelerated", "report", "restore"]


def __getattr__(name: str) -> Any:
    """Return one of the names here. Raises ImportError where Keras, or what its backend needs, is not installed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import keras  # noqa: F401
    except ImportError as error:
        if error.name == "keras":
            raise ImportError(f"{__name__}.{name} needs Keras: pip install 'rnnfast[keras]'") from error
        said = "set KERAS_BACKEND in the environment to torch or numpy, and install torch, or scipy for numpy"
        raise ImportError(f"{__name__}.{name} needs Keras, whose import fails, {error}: {said}") from error
    from rnnfast.integrations.keras import acceleration

    return getattr(acceleration, name)
