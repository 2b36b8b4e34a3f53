"""What configurations of Keras's layers may say: the options known, and which values compute as parts here do."""

from __future__ import annotations

from rnnfast.integrations.json_values import Value
from rnnfast.integrations.keras.architecture import Layer

POLICIES = ("float32", "float64")
"""Names of the dtype policies in which layers compute as parts here do."""
INERT = ("name", "trainable", "dtype", "seed", "unroll", "implementation", "dropout", "recurrent_dropout")
"""Options that change nothing of what a layer computes in inference, beside initial values and what training does."""
TRAINING = ("_initializer", "_regularizer", "_constraint")
"""How the names of those end."""
SET = ("quantization_config", "lora_rank", "input_tensor")
"""Options that are known only where they say nothing."""
OF_SEQUENCES = (
    *("units", "activation", "use_bias", "return_sequences", "return_state", "go_backwards", "stateful"),
    "zero_output_for_mask",
)
IDLE = {
    "Dropout": ("rate", "noise_shape"),
    "SpatialDropout1D": ("rate", "noise_shape"),
    "GaussianDropout": ("rate",),
    "GaussianNoise": ("stddev",),
    "AlphaDropout": ("rate", "noise_shape"),
    "ActivityRegularization": ("l1", "l2"),
    "Identity": (),
}
"""Layers that give what they take, but in training."""
OPTIONS: dict[str, tuple[str, ...]] = {
    "InputLayer": ("batch_shape", "sparse", "ragged", "optional", "input_tensor", "shape", "batch_size"),
    **IDLE,
    "Masking": ("mask_value",),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Softmax": ("axis",),
    "Embedding": ("input_dim", "output_dim", "mask_zero", "input_length", "quantization_config", "lora_rank"),
    "Dense": ("units", "activation", "use_bias", "quantization_config", "lora_rank", "lora_alpha"),
    "TimeDistributed": ("layer",),
    "Bidirectional": ("layer", "backward_layer", "merge_mode"),
    "SimpleRNN": OF_SEQUENCES,
    "LSTM": (*OF_SEQUENCES, "recurrent_activation", "unit_forget_bias", "use_cudnn"),
    "GRU": (*OF_SEQUENCES, "recurrent_activation", "reset_after", "use_cudnn"),
}
"""Options of each kind of layer that is read."""


def check_options(layer: Layer) -> None:
    """Raise ValueError for options that nobody knows here, and for a dtype policy that computes otherwise."""
    config, known = layer.config, (*INERT, *OPTIONS[layer.kind])
    for key in config.keys():  # noqa: SIM118
        value = config[key].value
        if key not in known and not key.endswith(TRAINING) and value is not None:
            raise ValueError(f"{config.place}.{key} is not known, expected none but {', '.join(known)}")
        if key in SET and value:
            raise ValueError(f"{config.place}.{key} is set, which is not supported")
    if "dtype" not in config or (policy := config["dtype"]).value is None:
        return
    if isinstance(policy.value, dict):
        if policy["class_name"].text() != "DTypePolicy":
            raise ValueError(f"{policy.place} is a {policy['class_name'].text()!r}, which is not supported")
        policy = policy["config"]["name"]
    if layer.kind != "InputLayer":
        policy.one_of(POLICIES)


def truth(config: Value, name: str, default: bool) -> bool:
    """Return an option that is true or false, its default where a file does not tell it.

    >>> truth(Value({"use_bias": False}), "use_bias", True), truth(Value({}), "stateful", False)
    (False, False)
    """
    if name not in config:
        return default
    if not isinstance(config[name].value, bool):
        raise config[name].wrong("true or false")
    return bool(config[name].value)


def only(config: Value, name: str, expected: float) -> None:
    """Raise ValueError where an option that is a number has another value than one, null counting as it."""
    if name in config and config[name].value is not None and config[name].number() != expected:
        raise ValueError(
            f"{config.place}.{name} is {config[name].value}, which is not supported, expected {expected:g}"
        )
