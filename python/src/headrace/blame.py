"""Where a failure happened, when it does not say so itself: source, staging or sink."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.protocol import Role


@contextmanager
def blamed(role: Role | None) -> Generator[None]:
    """Failures that do not say where they happened happened here."""
    try:
        yield
    except DataPlaneError as error:
        if error.role is None:
            error.role = role
        raise
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "headrace":
            raise
        raise ConfigInvalid(
            f"The library {error.name!r} is not installed, which this endpoint needs.", role=role
        ) from error
