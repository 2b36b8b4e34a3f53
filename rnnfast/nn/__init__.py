"""All that training needs around a recurrent net: layers, losses, optimisers, batches, the loop; all on NumPy arrays.

Every layer keeps `parameters`, a dict from name to array that an optimiser changes in place, and has the recurrent
modules' two calls: `layer(x)` for inference, `y, tape = layer.record(x)` for training, then
`grads = tape.backward(dy)` with `grads.x` and `grads.params[name]`. A loss returns its value and its gradient.

A model of several parts is one flat dict of parameters, and one of gradients with the same names, made by `named`. A
sequence too long for one call comes in `chunks`, and a net `Carried` from one to the next.

Whatever training changes has `state_dict` and `load_state_dict`, from which it goes on bit for bit, and `save` and
`load` keep all of it in one file.
"""

from rnnfast.nn.activation import Activation
from rnnfast.nn.adam import Adam, AdamW
from rnnfast.nn.chunks import Carried, chunks
from rnnfast.nn.clip import clip_grad_norm, clip_grad_value, grad_norm
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.history import History
from rnnfast.nn.linear import Linear
from rnnfast.nn.loader import Loader
from rnnfast.nn.loop import fit
from rnnfast.nn.losses import cross_entropy, mse
from rnnfast.nn.names import named
from rnnfast.nn.optim import Optimizer
from rnnfast.nn.padding import Padded, pad
from rnnfast.nn.record import Gradients
from rnnfast.nn.saved import load, save
from rnnfast.nn.schedules import CosineLR, PlateauLR, Schedule, StepLR
from rnnfast.nn.sequential import Sequential
from rnnfast.nn.sgd import SGD
from rnnfast.nn.softmax import LogSoftmax
from rnnfast.nn.steps import Last, Masking, Reverse
from rnnfast.nn.stopping import EarlyStopping

__all__ = [
    "Activation",
    "Adam",
    "AdamW",
    "Carried",
    "CosineLR",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Gradients",
    "History",
    "Last",
    "Linear",
    "Loader",
    "LogSoftmax",
    "Masking",
    "Optimizer",
    "Padded",
    "PlateauLR",
    "Reverse",
    "SGD",
    "Schedule",
    "Sequential",
    "StepLR",
    "chunks",
    "clip_grad_norm",
    "clip_grad_value",
    "cross_entropy",
    "fit",
    "grad_norm",
    "load",
    "mse",
    "named",
    "pad",
    "save",
]
