"""State dicts and files: what is written comes back, what does not fit is refused whole, with every fault named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, CELLS, EVERY_KIND, KINDS, normal

import rnnfast

SUFFIXES = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])


def needs(suffix: str) -> None:
    """Skip where the package for this kind of file is not installed."""
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")


def same_parameters(one: Any, other: Any) -> bool:
    """Whether two nets have bitwise the same parameters."""
    return one.parameters.keys() == other.parameters.keys() and all(
        array.tobytes() == other.parameters[name].tobytes() for name, array in one.parameters.items()
    )


@SUFFIXES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@EVERY_KIND
def test_files_come_back(kind: str, dtype: str, suffix: str, tmp_path: Path) -> None:
    needs(suffix)
    for make, options in ((KINDS[kind], {"num_layers": 2, "bidirectional": True}), (CELLS[kind], {"bias": False})):
        one, other = (make(3, 4, dtype=dtype, **options) for _ in range(2))
        path = tmp_path / f"net{suffix}"
        one.save(path)
        assert not same_parameters(one, other)
        other.load(str(path))
        assert same_parameters(one, other)
        assert list(tmp_path.iterdir()) == [path]


def test_files_are_what_others_read(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    net = KINDS["gru"](3, 4)
    net.save(tmp_path / "net.npz")
    net.save(tmp_path / "net.safetensors")
    with np.load(tmp_path / "net.npz") as archive:
        found = dict(archive)
    for arrays in (found, numpy.load_file(tmp_path / "net.safetensors")):
        assert arrays.keys() == net.parameters.keys()
        assert all(np.array_equal(arrays[name], array) for name, array in net.parameters.items())


def test_safetensors_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    net = KINDS["gru"](3, 4)
    (tmp_path / "old.safetensors").write_bytes(b"old")
    for use, name in ((net.save, "new.safetensors"), (net.load, "old.safetensors")):
        with pytest.raises(ImportError, match="needs the package safetensors: install it, or use .npz"):
            use(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["old.safetensors"]


@pytest.mark.parametrize("name", ["net", "net.pt", "net.NPZ", "net.npz.gz"])
def test_other_suffixes(name: str, tmp_path: Path) -> None:
    net = KINDS["gru"](3, 4)
    for use in (net.save, net.load):
        with pytest.raises(ValueError, match="expected one of .npz, .safetensors"):
            use(tmp_path / name)
    assert not list(tmp_path.iterdir())


@SUFFIXES
@pytest.mark.parametrize("content", [b"", b"not what the name says", b"PK\x05\x06"])
def test_files_of_another_kind(suffix: str, content: bytes, tmp_path: Path) -> None:
    needs(suffix)
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"is not an? {suffix} file"):
        KINDS["gru"](3, 4).load(path)


@SUFFIXES
def test_a_file_cut_short_is_refused(suffix: str, tmp_path: Path) -> None:
    needs(suffix)
    net, path = KINDS["gru"](3, 4), tmp_path / f"net{suffix}"
    net.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=f"is not an? {suffix} file"):
        net.load(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    net, path = KINDS["gru"](3, 4), tmp_path / "net.npz"
    net.save(path)
    content, weights = bytearray(path.read_bytes()), net.parameters["weight_hh_l0"].tobytes()
    content[content.index(weights)] ^= 1
    path.write_bytes(content)
    before = net.state_dict()
    with pytest.raises(ValueError, match="is damaged"):
        net.load(path)
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters.items())


def test_any_damaged_byte_gives_a_named_error_or_none(tmp_path: Path) -> None:
    net, path = KINDS["gru"](1, 1, bias=False), tmp_path / "net.npz"
    net.save(path)
    content = path.read_bytes()
    for place in [*range(0, len(content), 7), *range(len(content) - 120, len(content))]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            net.load(path)
        except (ValueError, TypeError) as error:
            assert "net.npz" in str(error) or "do not fit this GRU" in str(error), error


def test_pickles_are_never_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", weight_ih_l0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"net.npz holds what is no array of numbers, which is never read"):
        KINDS["gru"](3, 4).load(tmp_path / "net.npz")


def test_a_failed_save_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net, path = KINDS["gru"](3, 4), tmp_path / "net.npz"
    net.save(path)
    before = path.read_bytes()

    def full(file: Any, array: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space"):
        net.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_missing_file_and_folder(tmp_path: Path) -> None:
    net = KINDS["gru"](3, 4)
    with pytest.raises(FileNotFoundError):
        net.load(tmp_path / "net.npz")
    with pytest.raises(FileNotFoundError):
        net.save(tmp_path / "no folder" / "net.npz")


def test_state_dict_is_a_copy() -> None:
    net = KINDS["lstm"](3, 4)
    before = net.state_dict()
    for name in net.parameters:
        net.parameters[name] += 1
    assert not np.array_equal(net.parameters["bias_ih_l0"], before["bias_ih_l0"])
    arrays = dict(net.parameters)
    net.load_state_dict(before)
    assert np.array_equal(net.parameters["bias_ih_l0"], before["bias_ih_l0"])
    assert all(net.parameters[name] is array for name, array in arrays.items())


def test_every_fault_is_named_and_nothing_is_loaded() -> None:
    net, other = KINDS["lstm"](3, 4, seed=1), KINDS["lstm"](3, 4, seed=1)
    values = {name: array + 1 for name, array in net.state_dict().items()}
    values["weight_ih_l1"] = values.pop("weight_ih_l0")
    values["bias_ih_l0"] = values["bias_ih_l0"][:5]
    values["bias_hh_l0"] = values["bias_hh_l0"].astype(np.float64)
    with pytest.raises(ValueError) as raised:
        net.load_state_dict(values)
    for fault in (
        "these parameters do not fit this LSTM",
        "missing weight_ih_l0",
        "unexpected weight_ih_l1",
        "bias_ih_l0 has shape (5,), expected (16,)",
        "bias_hh_l0 has dtype float64",
    ):
        assert fault in str(raised.value)
    assert same_parameters(net, other)


@pytest.mark.parametrize("dtype", ["float64", "int32", ">f4", "float16", object])
def test_dtypes_are_never_cast(dtype: Any) -> None:
    net = KINDS["gru"](3, 4)
    values = {name: array.astype(dtype) for name, array in net.state_dict().items()}
    with pytest.raises(TypeError, match="weight_ih_l0 has dtype .* bias_hh_l0 has dtype"):
        net.load_state_dict(values)


def test_torch_state_dicts_fit() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = torch.nn.GRU(3, 4, 2, bidirectional=True)
    ours = KINDS["gru"](3, 4, 2, bidirectional=True)
    ours.load_state_dict(theirs.state_dict())
    x = normal(5, 2, 3).astype(np.float32)
    with torch.no_grad():
        y, _ = theirs(torch.from_numpy(x))
    np.testing.assert_allclose(ours(x)[0], y.numpy(), atol=1e-6)
    cell, their_cell = rnnfast.LSTMCell(3, 4, backend=BACKEND), torch.nn.LSTMCell(3, 4)
    cell.load_state_dict(their_cell.state_dict())
    with torch.no_grad():
        _, c = their_cell(torch.from_numpy(x[0]))
    np.testing.assert_allclose(cell(x[0])[1], c.numpy(), atol=1e-6)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
