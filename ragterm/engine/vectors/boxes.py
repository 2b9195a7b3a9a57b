"""The compiled form of `execution.Box`: a numba structure of one field."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.experimental import structref


@structref.register
class BoxType(types.StructRef):  # type: ignore[misc]
    def preprocess_fields(self, fields: Any) -> Any:
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


class CompiledBox(structref.StructRefProxy):  # type: ignore[misc]
    def __new__(cls, value: Any) -> Any:
        return structref.StructRefProxy.__new__(cls, value)


# Numba asks every argument for its type: from a slot of the object in C, not by way of a property in Python.
CompiledBox._numba_type_ = structref.StructRefProxy._type

structref.define_proxy(CompiledBox, BoxType, ["value"])
