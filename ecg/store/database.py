"""Opening the store: SQLite for one node, PostgreSQL for several; migrations; and when it does not answer."""

import importlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import alembic.util
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ecg.errors import InconsistentInput, MalformedInput, StoreUnavailable
from ecg.store.tables import metadata

__all__ = ["Connection", "Engine", "answering", "clock", "open_database", "reading", "writing"]
DRIVERS = ("sqlite", "postgresql+psycopg")
#: Modules that declare tables in `ecg.store.tables.metadata`; a further room has a line here.
ROOMS = ("ecg.store.tables", "ecg.cardioai.tables")
MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_PATIENCE_S = 10.0  # of SQLite, for another process's transaction; below what a sender waits for its answer
_MIGRATION_LOCK = 0x0EC6


def open_database(url: str, create: bool = True) -> Engine:
    """An engine on an up-to-date schema; `url` is ``sqlite:///file`` or ``postgresql+psycopg://…``.

    SQLite runs with a write-ahead log and a full sync at every commit. Raises `MalformedInput` for another `url`, or
    a SQLite file that is not there when it shall not be made, `InconsistentInput` for the schema of a later version;
    `StoreUnavailable`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in DRIVERS:
        raise MalformedInput("The store's address is not understood.", "store", [f"{name}://…" for name in DRIVERS])
    if parsed.drivername == "sqlite":
        if not create and not Path(parsed.database or "").is_file():
            raise MalformedInput("There is no store in that file.", "store", "an existing file", parsed.database)
        if parsed.database and parsed.database != ":memory:":  # what SQLite writes beside it has the same mode
            with suppress(OSError):  # SQLite says what is wrong with a path
                Path(parsed.database).touch(mode=0o600)
        engine = create_engine(url, connect_args={"timeout": LOCK_PATIENCE_S})
        event.listen(engine, "connect", _sqlite_connection)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    try:
        with answering():
            _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def answering() -> Iterator[None]:
    """Turns a database that does not answer, is locked, full, damaged or a replica into `StoreUnavailable`."""
    try:
        yield
    except (OperationalError, InterfaceError, InternalError, PoolTimeout) as error:
        raise StoreUnavailable("The durable store does not answer.", retry_after_s=2.0) from error
    except DBAPIError as error:
        # The bare class is SQLite's word for a file that is damaged or none of its own.
        if error.connection_invalidated or type(error) is DatabaseError:
            raise StoreUnavailable("The durable store does not answer.", retry_after_s=2.0) from error
        raise


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for queries; on SQLite it does not wait for the writer."""
    with answering(), engine.connect().execution_options(reads_only=True) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, durable when the block has ended."""
    with answering(), engine.begin() as connection:
        yield connection


def clock(connection: Connection) -> float:
    """Seconds since 1970 by the one clock that every node of this store shares."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)


def _sqlite_connection(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN, below, decides the kind of transaction
    for pragma in (
        "page_size=16384",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what is deleted is overwritten
        "wal_autocheckpoint=2000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    # A deferred transaction that turns to writing can fail at once with SQLITE_BUSY; an immediate one waits its turn.
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def all_tables() -> MetaData:
    """The tables of every room."""
    for room in ROOMS:
        importlib.import_module(room)
    return metadata


def _migrate(engine: Engine) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            alembic.command.upgrade(config, "head")
        except alembic.util.CommandError as error:
            raise InconsistentInput(f"The store's schema is not one of this version: {error}.", "store") from None
