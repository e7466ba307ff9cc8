"""``remediator store``: what it prints, and how it ends."""

import asyncio
import fcntl
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from remediator.store.database import Tx
from tests.support import incidents as rows

Invoke = Callable[..., Result]


async def _fill(directory: Path) -> None:
    async with rows.opened(directory) as store, store.begin(Tx.OPERATE) as tx:
        await rows.fire(tx, await rows.join(tx), decide_again_at=datetime.now(UTC))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The default store of the present directory, with an open alert."""
    asyncio.run(_fill(tmp_path))
    return tmp_path / "remediator.sqlite"


def test_a_store_in_which_everything_holds_is_exit_code_0(invoke: Invoke, file: Path) -> None:
    done = invoke("store", "check")
    assert (done.exit_code, done.stdout) == (0, "everything holds\n")
    assert json.loads(invoke("store", "check", "-o", "json").stdout) == {"ok": True, "findings": []}


def test_what_is_wrong_is_told_with_ids_and_what_to_do(invoke: Invoke, file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        [(alert,)] = database.execute("SELECT id FROM episodes")
        database.execute("UPDATE episodes SET decide_again_at = NULL")
    done = invoke("store", "check")
    assert done.exit_code == 1
    assert f"alert_forgotten: episode {alert} is open: no run, no request, no page" in done.stdout
    assert "Restart remediator" in done.stdout and "1 finding of 1 kind" in done.stdout
    found = json.loads(invoke("store", "check", "-o", "json").stdout)
    assert (found["ok"], found["findings"][0]["rule"]) == (False, "alert_forgotten")
    assert alert in found["findings"][0]["rows"]


def test_no_store_is_no_good_answer(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("store", "check")
    assert done.exit_code == 1 and "remediator.sqlite: there is no store here" in done.stderr
    assert not (tmp_path / "remediator.sqlite").exists()


def test_a_second_process_on_the_same_file_is_refused_and_told_what_to_do(invoke: Invoke, file: Path) -> None:
    with Path(f"{file}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = file.read_bytes()
        done = invoke("serve", "--insecure-no-auth", "--port", "0")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "error: remediator.sqlite: another remediator process uses this SQLite file "
        "(stop it, or give each its own store.url; several replicas need PostgreSQL)"
    )
    assert file.read_bytes() == before
