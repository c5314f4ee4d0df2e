"""What we use of asyncpg."""

from collections.abc import Awaitable, Callable, Mapping

class PostgresError(Exception):
    sqlstate: str | None
    message: str

class ConnectionDoesNotExistError(PostgresError): ...
class InterfaceError(Exception): ...

class Connection:
    async def execute(self, query: str) -> str: ...
    async def copy_from_query(self, query: str, *, output: Callable[[bytes], Awaitable[None]], format: str) -> str: ...
    def terminate(self) -> None: ...

async def connect(
    dsn: str,
    *,
    host: str,
    port: int,
    user: str,
    password: str,
    database: str,
    timeout: float,
    statement_cache_size: int,
    server_settings: Mapping[str, str],
) -> Connection: ...
