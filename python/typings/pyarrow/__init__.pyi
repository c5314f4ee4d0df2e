"""What we use of pyarrow, which ships no types: its names, with their values untyped."""

from typing import Any, TypeAlias

Array: TypeAlias = Any
ChunkedArray: TypeAlias = Any
DataType: TypeAlias = Any
Field: TypeAlias = Any
NativeFile: TypeAlias = Any
RecordBatch: TypeAlias = Any
RecordBatchReader: TypeAlias = Any
Schema: TypeAlias = Any
Scalar: TypeAlias = Any
Table: TypeAlias = Any

class ArrowException(Exception): ...
class ArrowInvalid(ValueError, ArrowException): ...
class ArrowTypeError(TypeError, ArrowException): ...
class ArrowNotImplementedError(NotImplementedError, ArrowException): ...

def __getattr__(name: str) -> Any: ...
