"""Write what a parser yields as plain data, and read it as no more than was agreed upon.

Owns the form of an answer: JSON, with bytes and arrays beside it. Data classes travel as the list
of their fields, and the reader, which knows the classes that it expects, makes them again and
looks at each value's type: a child that a hostile file has taken over can only send what the file
could have said. Nothing is executed, imported or looked up by a name that was sent.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Buffers = Sequence[memoryview]
_Reader = Callable[[Any, Buffers], Any]

_PLAIN = "json"
_DTYPES = ("uint8", "int16", "int32", "int64", "float32", "float64")


class Unexpected(ValueError):
    """Say that an answer is not of the form that was agreed upon."""


def written(value: object) -> tuple[str, bytes, list[memoryview]]:
    """Return the name of a value's shape, its JSON, and the buffers that the JSON numbers.

    Raises:
        TypeError: It holds something that is no plain data.
    """
    buffers: list[memoryview] = []

    def replaced(part: Any) -> Any:
        names = _field_names(part.__class__)
        if names is not None:
            return [getattr(part, name) for name in names]
        if isinstance(part, bytes | bytearray | memoryview):
            buffers.append(memoryview(part).cast("B"))
            return len(buffers) - 1
        if hasattr(part, "dtype") and hasattr(part, "tobytes") and str(part.dtype) in _DTYPES:
            buffers.append(_bytes_of(part))
            return [str(part.dtype), list(part.shape), len(buffers) - 1]
        raise TypeError(f"a parser may not yield a {type(part).__name__}")

    body = json.dumps(value, default=replaced).encode()
    return _name(type(value)), body, buffers


def read(value: Any, name: str, shapes: Sequence[Any], buffers: Buffers) -> Any:
    """Return a value that was written, as one of the shapes that are expected.

    Args:
        value: What its JSON says.
        name: Which shape the writer says it has.
        shapes: Data classes, ``bytes``, tuples and arrays as type hints; ``Any`` is plain JSON.
        buffers: Beside the JSON.

    Raises:
        Unexpected: It has none of these shapes.
    """
    for shape in shapes:
        if _shape_name(shape) == name:
            return _reader(shape)(value, buffers)
    raise Unexpected(f"{name[:60]!r} was not expected")


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a data class; None of anything else."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


def _bytes_of(array: Any) -> memoryview:
    """Return the bytes of an array in order, without a copy where they lie so."""
    is_in_order = array.size and array.flags.c_contiguous
    return memoryview(array).cast("B") if is_in_order else memoryview(array.tobytes())


def _name(kind: type) -> str:
    is_plain = kind in (str, int, float, bool, list, dict, type(None))
    return _PLAIN if is_plain else kind.__name__


def _shape_name(shape: Any) -> str:
    return _PLAIN if shape is Any else _name(get_origin(shape) or shape)


@cache
def _reader(hint: Any) -> _Reader:
    """Return the function that reads a value of a type hint."""
    if hint is Any:
        return lambda value, _: value
    if hint in (str, int, bool, float, type(None)):
        return _scalar(hint)
    if hint is bytes:
        return lambda value, buffers: bytes(_buffer(value, buffers))
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint)
    return _generic(hint, get_origin(hint), get_args(hint))


def _generic(hint: Any, origin: Any, args: tuple[Any, ...]) -> _Reader:
    if origin in (Union, types.UnionType):
        return _union([_reader(arg) for arg in args])
    if origin is Literal:
        return _literal(args)
    if origin in (list, tuple):
        return _sequence(origin, args)
    if origin is dict and args[0] is str:
        return _plain_mapping if args[1] is Any else _mapping(_reader(args[1]))
    if getattr(origin, "__name__", "") == "ndarray":
        return _array(get_args(args[1])[0].__name__)
    raise TypeError(f"{hint} is no shape of plain data")


def _scalar(kind: type) -> _Reader:
    allowed = (int, float) if kind is float else (kind,)

    def reader(value: Any, _: Buffers) -> Any:
        if type(value) not in allowed:
            raise Unexpected(f"a {type(value).__name__} where a {kind.__name__} was expected")
        return kind(value) if kind is float else value

    return reader


def _literal(allowed: tuple[Any, ...]) -> _Reader:
    def reader(value: Any, _: Buffers) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise Unexpected(f"none of {allowed}")
        return value

    return reader


def _union(readers: list[_Reader]) -> _Reader:
    def reader(value: Any, buffers: Buffers) -> Any:
        for option in readers:
            try:
                return option(value, buffers)
            except Unexpected:
                continue
        raise Unexpected(f"a {type(value).__name__} where something else was expected")

    return reader


def _sequence(kind: Callable[[Any], Any], args: tuple[Any, ...]) -> _Reader:
    if kind is tuple and Ellipsis not in args:
        return _fixed([_reader(arg) for arg in args])
    of_each = _reader(args[0])

    def reader(value: Any, buffers: Buffers) -> Any:
        return kind([of_each(part, buffers) for part in _list(value)])

    return reader


def _fixed(readers: list[_Reader]) -> _Reader:
    def reader(value: Any, buffers: Buffers) -> Any:
        if len(_list(value)) != len(readers):
            raise Unexpected(f"{len(value)} values where {len(readers)} were expected")
        return tuple([read(part, buffers) for read, part in zip(readers, value, strict=True)])

    return reader


def _mapping(of_value: _Reader) -> _Reader:
    def reader(value: Any, buffers: Buffers) -> Any:
        if type(value) is not dict:
            raise Unexpected(f"a {type(value).__name__} where a mapping was expected")
        return {key: of_value(part, buffers) for key, part in value.items()}

    return reader


def _plain_mapping(value: Any, _: Buffers) -> Any:
    if type(value) is not dict:
        raise Unexpected(f"a {type(value).__name__} where a mapping was expected")
    return value


def _dataclass(kind: type) -> _Reader:
    hints = _hints(kind)
    known = fields(kind)
    names, readers = [f.name for f in known], [_reader(hints[f.name]) for f in known]

    def reader(value: Any, buffers: Buffers) -> Any:
        if len(_list(value)) != len(readers):
            raise Unexpected(f"{len(value)} fields where {kind.__name__} has {len(readers)}")
        parts = [read(part, buffers) for read, part in zip(readers, value, strict=True)]
        return kind(**dict(zip(names, parts, strict=True)))

    return reader


def _hints(kind: type) -> dict[str, Any]:
    """Return a data class's type hints; arrays are named without importing numpy."""
    try:
        return get_type_hints(kind)
    except NameError:
        import numpy as np
        import numpy.typing as npt

        return get_type_hints(kind, localns={"np": np, "npt": npt})


def _array(dtype: str) -> _Reader:
    import numpy as np

    def reader(value: Any, buffers: Buffers) -> Any:
        sent, shape, number = _three(value)
        sides = [side for side in _list(shape) if type(side) is int and side >= 0]
        if sent != dtype or len(sides) != len(shape):
            raise Unexpected(f"no array of {dtype}")
        try:
            return np.frombuffer(_buffer(number, buffers), dtype).reshape(sides)
        except ValueError as error:
            raise Unexpected(f"an array of another length than it says: {error}") from error

    return reader


def _three(value: Any) -> list[Any]:
    if len(_list(value)) != 3:
        raise Unexpected("no array")
    return list(value)


def _buffer(value: Any, buffers: Buffers) -> memoryview:
    if type(value) is not int or not 0 <= value < len(buffers):
        raise Unexpected("no bytes where bytes were expected")
    return buffers[value]


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Unexpected(f"a {type(value).__name__} where a list was expected")
    return value
