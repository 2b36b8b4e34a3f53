"""The content of files: arrays of any name and dtype, words about them, and what other libraries see."""

from __future__ import annotations

import errno
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.net import files, formats

WORDS = {"rnnfast": "ü {} \n", "of": ""}
ARRAYS = {
    "file": np.arange(6).reshape(2, 3),
    "a.b": np.float32(3) * np.ones(()),
    "none": np.zeros((0, 4)),
    "x": np.arange(6.0).reshape(2, 3).T[::-1],
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("words", [{}, WORDS])
def test_arrays_and_words_come_back(suffix: str, words: dict[str, str], tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"all{suffix}"
    files.save(path, ARRAYS, metadata=words)
    arrays, found = files.load_with_metadata(path)
    assert found == words and arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert files.load(path).keys() == ARRAYS.keys()


def test_others_find_the_words_where_they_look_for_them(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")
    files.save(tmp_path / "a.safetensors", {"a": np.ones(2)}, WORDS)
    with safetensors.safe_open(tmp_path / "a.safetensors", "np") as file:
        assert file.metadata() == WORDS and list(file.keys()) == ["a"]


def test_numpy_sees_the_arrays_alone(tmp_path: Path) -> None:
    files.save(tmp_path / "a.npz", {"__metadata__": np.ones(2)}, WORDS)
    with np.load(tmp_path / "a.npz") as archive:
        assert list(archive) == ["__metadata__"]


def test_words_that_are_too_many_for_an_npz(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit an .npz, which takes 65535: use .safetensors"):
        files.save(tmp_path / "a.npz", {"a": np.ones(2)}, {"of": "x" * 65536})
    assert not list(tmp_path.iterdir())


def test_a_file_cut_within_its_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    files.save(path, {"a": np.ones(2)}, WORDS)
    content = path.read_bytes()
    for lost in range(1, len(json.dumps({"__metadata__": WORDS})) + 1):
        path.write_bytes(content[:-lost])
        with pytest.raises(ValueError, match="a.npz is not an .npz file, or not the whole of it"):
            files.load(path)


def test_archives_of_others_may_have_comments_and_other_entries(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "a.npz"
    np.savez(path, a=np.ones(2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"made on a Monday"
    arrays, words = files.load_with_metadata(path)
    assert words == {} and list(arrays) == ["a"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "words")
    with pytest.raises(
        ValueError, match="a.npz holds what is no array of numbers, which is never read: the entry readme"
    ):
        files.load(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (f"({2**57},)", "a.npz is damaged: the entry a is shorter than its header says"),
        (f"({2**70},)", "a.npz is damaged: Python int too large"),
        ("(True,)", "a.npz is damaged: an integer is required"),
        ("(1, ", "a.npz is damaged: .*EOF"),
    ],
)
def test_headers_that_claim_what_cannot_be_are_refused_with_the_files_name(
    shape: str, words: str, tmp_path: Path
) -> None:
    import zipfile

    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(ValueError, match=words):
        files.load(tmp_path / "a.npz")


def test_what_does_not_fit_into_memory_is_told_from_what_is_damaged(tmp_path: Path) -> None:
    """An archive that agrees with its header."""
    import zipfile

    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**57},), }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        archive.filelist[0].file_size = 2**60 + 128
    with pytest.raises(MemoryError, match=r"a\.npz holds more than there is memory for: Unable to allocate 1\.00 EiB"):
        files.load(tmp_path / "a.npz")


class Broken(io.FileIO):
    """A file on a disk that fails, or in a process that has no memory left, after so many reads."""

    def __init__(self, path: str, left: int, error: Exception) -> None:
        super().__init__(path)
        self._left, self._error = left, error

    def readinto(self, buffer: Any) -> int | None:
        """Read, or raise the error."""
        self._count()
        return super().readinto(buffer)

    def readall(self) -> bytes:
        """Read, or raise the error."""
        self._count()
        return super().readall()

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(errno.EIO, "Input/output error"), "Input/output error: "), (MemoryError(), "more than there is memory")],
    ids=["disk", "memory"],
)
def test_what_a_disk_or_memory_lacks_is_no_damage(
    suffix: str, error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"all{suffix}"
    files.save(path, {"a": np.ones(50_000), "b": np.ones(3)}, WORDS)
    for reads in itertools.count():
        monkeypatch.setattr(formats, "open", lambda name, *_, n=reads, **__: Broken(name, n, error), raising=False)
        try:
            assert files.load(path)["a"].shape == (50_000,)
        except type(error) as raised:
            assert words in str(raised) and str(path) in str(raised)
        else:
            break
    assert reads >= (4 if suffix == ".npz" else 1)


def test_dtypes_of_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    save_file = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    names = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
    theirs = {
        name: torch.tensor([[0, 1, 1]]).to(getattr(torch, name)) for name in [*names, "bfloat16", "float8_e4m3fn"]
    }
    save_file(theirs, tmp_path / "all.safetensors", {"format": "pt"})
    found, words = files.load_with_metadata(tmp_path / "all.safetensors")
    assert words == {"format": "pt"}
    for name in names:
        assert found[name].dtype == np.dtype(name) and found[name].tolist() == theirs[name].tolist()
    assert found["bfloat16"].dtype.names == ("bfloat16",) and found["float8_e4m3fn"].dtype.names == ("f8_e4m3",)
    assert {array.shape for array in found.values()} == {(1, 3)}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_files_of_pytorch_say_how(suffix: str, tmp_path: Path) -> None:
    net, path = rnnfast.GRU(2, 3), tmp_path / f"net{suffix}"
    path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"torch.load\(path, weights_only=True\) to load_state_dict, or write it with saf"
    ):
        net.load(path)
    with pytest.raises(ValueError, match=r"write .safetensors, which safetensors.torch.load_file reads"):
        net.save(path)


def test_the_way_that_is_told_for_files_of_pytorch_works(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs: Any = torch.nn.GRU(2, 3)
    torch.save(theirs.state_dict(), tmp_path / "net.pt")
    net = rnnfast.GRU(2, 3)
    net.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    np.testing.assert_array_equal(net.parameters["weight_hh_l0"], theirs.weight_hh_l0.detach().numpy())
