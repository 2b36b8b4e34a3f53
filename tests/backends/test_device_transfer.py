"""The transfer of parameters to a CUDA device and back, and arrays on the wrong side, which are refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.backends.cuda import backend as numba_cuda

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from device_arrays import Upload, host, nets


def test_parameters_move_there_and_back(upload: Upload) -> None:
    here, there = nets()
    assert (here.device, there.device) == ("cpu", "cuda")
    right = here.state_dict()
    assert all(np.array_equal(there.state_dict()[name], a) for name, a in right.items())
    for twin in (copy.deepcopy(there), pickle.loads(pickle.dumps(there))):
        assert twin.device == "cuda" and twin.parameters["weight_hh_l0"] is not there.parameters["weight_hh_l0"]
        assert np.array_equal(twin.state_dict()["weight_hh_l0"], right["weight_hh_l0"])
    there.parameters["bias_ih_l0"] = upload(np.full(16, 2, np.float32))
    there.parameters["bias_hh_l0"] = np.full(16, 3, np.float32)
    assert {there.state_dict()[name][0] for name in ("bias_ih_l0", "bias_hh_l0")} == {2, 3}
    there.load_state_dict({name: upload(a) for name, a in right.items()})
    assert there.to("cuda") is there
    back = there.to("cpu")
    assert back is there and all(np.array_equal(back.parameters[name], a) for name, a in right.items())
    with pytest.raises(ValueError, match="place is 'gpu', expected"):
        there.to("gpu")


def test_a_file_has_what_is_on_the_device(upload: Upload, tmp_path: Any) -> None:
    _, there = nets()
    there.save(tmp_path / "net.npz")
    fresh = rnnfast.LSTM(3, 4, seed=9)
    fresh.load(tmp_path / "net.npz")
    assert np.array_equal(fresh.parameters["weight_ih_l0"], there.state_dict()["weight_ih_l0"])


def test_different_places_are_refused(upload: Upload) -> None:
    here, there = nets()
    x = np.zeros((2, 1, 3), np.float32)
    with pytest.raises(
        TypeError, match=r"x, a EmulatedArray, is on a CUDA device, .* move the module .*\.to\(\"cuda\"\)"
    ):
        here(upload(x))
    with pytest.raises(
        TypeError, match="x, a ndarray, is in host memory, while this LSTM's parameters are on the CUDA"
    ):
        there(x)
    with pytest.raises(TypeError, match=r"state\[0\], a ndarray, is in host memory"):
        there(upload(x), (np.zeros((1, 1, 4), np.float32), None))
    with pytest.raises(TypeError, match="out, a ndarray, is in host memory"):
        there(upload(x), out=np.zeros((2, 1, 4), np.float32))
    with pytest.raises(TypeError, match="out, a EmulatedArray, is on a CUDA device"):
        here(x, out=upload(np.zeros((2, 1, 4), np.float32)))
    carried = rnnfast.nn.Carried(there)
    carried(upload(x))
    with pytest.raises(TypeError, match="state, a .*, is on a CUDA device"):
        carried.reset(np.ones(1, bool))
    carried.reset()
    with pytest.raises(TypeError, match=r"parameters\['weight_ih_l0'\] is a EmulatedArray on a device, expected"):
        rnnfast.nn.SGD(there.parameters, 0.1)
    with pytest.raises(ValueError, match="memory is 'bogus'"):
        there.record(upload(x), memory="bogus")  # type: ignore[call-overload]
    refused = pytest.raises(TypeError, match="use_backend asks for backend 'reference', which reads host memory")
    with rnnfast.use_backend("reference"), refused:
        there(upload(x))


def test_bad_device_arrays_are_refused(upload: Upload) -> None:
    _, there = nets()
    x = np.zeros((2, 1, 3), np.float32)
    with pytest.raises(TypeError, match="x has dtype float64, this LSTM computes in float32"):
        there(upload(x.astype(np.float64)))
    with pytest.raises(ValueError, match="x has 2 features, this LSTM was made for 3"):
        there(upload(x[:, :, :2]))
    with pytest.raises(ValueError, match=r"state\[1\] has shape \(1, 2, 4\), expected \(1, 1, 4\)"):
        there(upload(x), (None, upload(np.zeros((1, 2, 4), np.float32))))
    with pytest.raises(ValueError, match="lengths go from 3 to 3, expected 0 to 2"):
        there(upload(x), lengths=upload(np.array([3])))
    with pytest.raises(ValueError, match="out shares memory with the parameter weight_hh_l0"):
        there(upload(x), out=upload(host(there.parameters["weight_hh_l0"])[:2].reshape(2, 1, 4)))
    locked = np.zeros((2, 1, 4), np.float32)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        there(upload(x), out=upload(locked))


def test_a_pickle_without_a_device_says_why(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(nets()[1])
    monkeypatch.setattr(numba_cuda, "reason", lambda variant=None, cell=None: "there is none")
    with pytest.raises(RuntimeError, match="cannot move to a CUDA device: there is none"):
        pickle.loads(pickled)


def test_where_a_value_is_that_will_not_say() -> None:
    class Nowhere:
        def __dlpack_device__(self) -> tuple[int, int]:
            raise ValueError("unknown device type")

        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("no memory")

    with pytest.raises(TypeError, match="x, a Nowhere, cannot be viewed as a NumPy array"):
        rnnfast.LSTM(3, 4)(Nowhere())


def test_without_a_device_moving_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_cuda, "reason", lambda variant=None, cell=None: "there is none")
    with pytest.raises(RuntimeError, match="cannot move to a CUDA device: there is none"):
        rnnfast.LSTM(3, 4).to("cuda")
