"""One layer's arrays as other libraries keep them, made into those of a net here: order of gates, axes, biases.

What comes back is a part of a state dict, copies under PyTorch's names, for `load_state_dict`; several layers and
directions are joined by `|`. Numbers and dtypes stay as they are, rows are only put in another order.

>>> keras = {"kernel": np.ones((3, 12)), "recurrent_kernel": np.ones((4, 12)), "bias": np.zeros((2, 12))}
>>> gru = rnnfast.GRU(3, 4, dtype="float64")
>>> gru.load_state_dict(of_keras("GRU", **keras))
IncompatibleKeys(missing_keys=[], unexpected_keys=[])
"""

from rnnfast.integrations.convert.flax import of_flax
from rnnfast.integrations.convert.layer import GATES, parameters
from rnnfast.integrations.convert.libraries import of_keras, of_nam, of_onnx

__all__ = ["GATES", "of_flax", "of_keras", "of_nam", "of_onnx", "parameters"]
