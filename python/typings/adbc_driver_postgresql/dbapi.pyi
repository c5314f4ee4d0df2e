"""What we use of the ADBC driver, which ships partial types."""

from typing import Any

def connect(uri: str, *, autocommit: bool = ...) -> Any: ...

class Error(Exception):
    sqlstate: str | None
