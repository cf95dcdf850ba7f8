"""Tensors of safetensors files, read when they are asked for."""

from __future__ import annotations

import builtins
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from machete._problem import DataType
from machete.checkpoint._numbers import Array, decode

# By the names that the format gives: of NumPy, with unsigned integers for what it lacks, and for
# floating point of the C++ API.
_NUMPY = {
    "BOOL": "<u1",
    "U8": "<u1",
    "I8": "<i1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "U64": "<u8",
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "F8_E4M3": "<u1",
    "F8_E5M2": "<u1",
    "F8_E8M0": "<u1",
}
_FLOATS: dict[str, DataType] = {
    "F32": "f32",
    "F16": "f16",
    "BF16": "bf16",
    "F8_E4M3": "e4m3",
    "F8_E8M0": "ue8m0",
}


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor as the file has it.

    Attributes:
        name: In the file.
        dtype: As safetensors calls it, such as "BF16".
        array: Its elements; of what NumPy has no type for, the bits as unsigned integers.
    """

    name: str
    dtype: str
    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents, outermost first."""
        return self.array.shape

    def check(self, dtypes: tuple[str, ...], *shapes: tuple[int, ...]) -> StoredTensor:
        """Raises ValueError unless the tensor has one of these dtypes and shapes; returns it."""
        if self.dtype not in dtypes:
            raise ValueError(f"{self.name} has dtype {self.dtype}; allowed: {', '.join(dtypes)}")
        if shapes and self.shape not in shapes:
            allowed = " or ".join(str(list(shape)) for shape in shapes)
            raise ValueError(f"{self.name} has shape {list(self.shape)}; allowed: {allowed}")
        return self

    @property
    def type(self) -> DataType:
        """What the C++ API calls the elements, if they are floating point."""
        return _FLOATS[self.dtype]

    def values(self) -> NDArray[np.float64]:
        """The elements, if they are floating point."""
        return decode(self.array, self.type)


class _Files(Mapping[str, StoredTensor]):
    def __init__(self, places: dict[str, tuple[Path, str, tuple[int, ...], int]]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> StoredTensor:
        path, dtype, shape, offset = self._places[name]
        kind = np.dtype(_NUMPY[dtype])
        count = int(np.prod(shape))
        return StoredTensor(
            name, dtype, np.fromfile(path, kind, count, offset=offset).reshape(shape)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def open(path: str | Path) -> Mapping[str, StoredTensor]:
    """The tensors of a safetensors file, or of all such files in a folder, by name.

    Only the files' headers are read; each look-up reads a tensor.

    Raises:
        ValueError: A file is no safetensors file, or has a dtype that is not known.
        FileNotFoundError: There is no such file, or none in the folder.
    """
    path = Path(path)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"path = {path} has no files *.safetensors")
    return _Files({name: place for file in files for name, place in _places(file)})


def _places(path: Path) -> Iterator[tuple[str, tuple[Path, str, tuple[int, ...], int]]]:
    size = path.stat().st_size
    with builtins.open(path, "rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        if 8 + header_size > size:
            raise ValueError(f"path = {path} is no safetensors file")
        try:
            header = json.loads(file.read(header_size))
        except ValueError as error:
            raise ValueError(f"path = {path} is no safetensors file: {error}") from None
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if dtype not in _NUMPY:
            raise ValueError(f"{name} has dtype {dtype}; allowed: {', '.join(_NUMPY)}")
        bytes_wanted = int(np.prod(shape)) * np.dtype(_NUMPY[dtype]).itemsize
        if end - begin != bytes_wanted or 8 + header_size + end > size:
            raise ValueError(f"path = {path} is cut off within {name}")
        yield name, (path, dtype, shape, 8 + header_size + begin)
