from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ecg.cardioai.receiver import Receiver
from ecg.store.database import Engine, open_database
from ecg.store.tables import metadata
from tests.builders.postgres import Cluster, find_binaries


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if find_binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's URL, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'inbox.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    engine = open_database(cluster.url)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} CASCADE"))
    engine.dispose()
    return cluster.url


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    engine = open_database(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def receiver(engine: Engine) -> Iterator[Receiver]:
    with Receiver(engine) as receiver:
        yield receiver
