"""One parent of replicas for all plays, and a PostgreSQL server of their own, which they may break."""

from collections.abc import Iterator

import pytest

from tests.crash.nursery import Nursery
from tests.support.database_server import DatabaseServer, own_server


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def server() -> Iterator[DatabaseServer]:
    with own_server(durable=True) as made:
        yield made
