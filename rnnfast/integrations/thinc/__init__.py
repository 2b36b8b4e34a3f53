"""thinc: operations whose LSTM, forward and backward, is rnnfast's; all others are those of thinc's NumpyOps.

Importing this registers them under the name "rnnfast"; `thinc.api.set_current_ops(RnnfastOps())` has all models made
from then on use them, and `node.ops = RnnfastOps()` for each `node` of `model.walk()` one made before. A `PyTorchLSTM`
stays PyTorch's.

>>> import thinc.api
>>> import rnnfast.integrations.thinc
>>> with thinc.api.use_ops("rnnfast"):
...     model = thinc.api.with_padded(thinc.api.LSTM(4, 3, bi=True)).initialize()
>>> [y.shape for y in model.predict([np.ones((5, 3), "f"), np.ones((2, 3), "f")])]
[(5, 4), (2, 4)]
"""

from rnnfast.integrations.thinc.ops import RnnfastOps

__all__ = ["RnnfastOps"]
