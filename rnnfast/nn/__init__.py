"""What training needs around a recurrent net: layers, losses, optimisers, clipping; all on NumPy arrays.

Every layer keeps `parameters`, a dict from name to array that an optimiser changes in place, and has the recurrent
modules' two calls: `layer(x)` for inference, `y, tape = layer.record(x)` for training, then
`grads = tape.backward(dy)` with `grads.x` and `grads.params[name]`. A loss returns its value and its gradient.
A sequence too long for one call comes in `chunks`, and a net `Carried` from one to the next.
"""

from rnnfast.nn.chunks import Carried, chunks
from rnnfast.nn.clip import clip_grad_norm, grad_norm
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import cross_entropy
from rnnfast.nn.optim import Adam
from rnnfast.nn.record import Gradients

__all__ = [
    "Adam",
    "Carried",
    "Embedding",
    "Gradients",
    "Linear",
    "chunks",
    "clip_grad_norm",
    "cross_entropy",
    "grad_norm",
]
