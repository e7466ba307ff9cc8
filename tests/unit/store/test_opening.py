"""A store that cannot be opened says which file it is, why, and what to do; never with a password, never with a traceback."""

import errno
import os
from pathlib import Path

import pytest

from remediator.errors import ConfigError, StoreUnavailableError
from remediator.store.database import open_store


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and long enough to be looked at\n" * 100)
    with pytest.raises(StoreUnavailableError) as error:
        await open_store(f"sqlite:///{path}")
    assert str(error.value).startswith(f"{path}: the store cannot be opened: file is not a database (")
    assert "store.url" in str(error.value)


async def test_a_directory_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StoreUnavailableError, match="the store cannot be opened: unable to open database file"
    ) as error:
        await open_store(f"sqlite:///{tmp_path}")
    assert str(error.value).startswith(f"{tmp_path}: ")


async def test_a_read_only_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigError) as error:
        await open_store(f"sqlite:///{tmp_path}/store.sqlite")
    assert str(error.value).startswith(f"{tmp_path}/store.sqlite: the store cannot be opened: Read-only file system (")


async def test_a_file_in_the_place_of_its_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"the store cannot be opened: (File exists|Not a directory)"):
        await open_store(f"sqlite:///{tmp_path}/file/store.sqlite")


@pytest.mark.parametrize("url", ["mysql://ada:hunter2@db/remediator", "hunter2", "sqlite://", "sqlite:///"])
async def test_of_an_address_that_is_refused_nothing_but_the_scheme_is_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        await open_store(url)
    assert "hunter2" not in str(error.value)
    assert "sqlite:///path/to/remediator.sqlite" in str(error.value)
