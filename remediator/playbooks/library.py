"""Reads playbooks from a directory, all or nothing: a set with a mistake in it is never used, not even in part.

The only file of this package that reads files. A ConfigMap mount (files are symlinks through ``..data``, which is swapped in
one go) is read from one side of the swap only. There is no inotify: ask ``changed()`` every few seconds.
"""

import errno
import hashlib
import os
from importlib.metadata import version as installed_version
from pathlib import Path

from remediator import marked_yaml
from remediator.errors import ConfigError
from remediator.playbooks.checks import ParamsByName
from remediator.playbooks.loading import NO_OVERRIDES, LoadedSet, Loading, Overrides, PlaybookErrors

__all__ = ["Library", "LoadedSet", "Overrides", "PlaybookErrors", "fingerprint_of_directory", "load_directory"]

_SWAP = "..data"
_ATTEMPTS = 5


def load_directory(
    path: Path,
    *,
    action_params: ParamsByName,
    condition_params: ParamsByName,
    drafts: bool = False,
    vars_overrides: Overrides = NO_OVERRIDES,
    previous: LoadedSet | None = None,
    program_version: str | None = None,
) -> LoadedSet:
    """Read every ``*.yaml`` below ``path``, except ``*.test.yaml``, dotfiles and (unless ``drafts``) folders named ``drafts``.

    ``previous`` supplies the last good copy of playbooks that this program is too old for (``requires``, S38).

    Raises:
        PlaybookErrors: all mistakes of all files.
    """
    running = program_version or installed_version("remediator")
    for _ in range(_ATTEMPTS):
        before = fingerprint_of_directory(path, drafts=drafts)
        try:
            texts = {shown: _read(real, shown) for shown, real in _files(path, drafts=drafts)}
        except OSError as error:
            problem = ConfigError(
                error.filename or path,
                None,
                f"cannot be read: {error.strerror}",
                "give a directory in which every playbook is a readable file",
            )
            if fingerprint_of_directory(path, drafts=drafts) == before:
                raise PlaybookErrors([problem]) from None
            continue
        if fingerprint_of_directory(path, drafts=drafts) == before:
            loading = Loading(action_params, condition_params, drafts, vars_overrides, previous, running)
            return loading.load(texts, str(path), before)
    raise PlaybookErrors(
        [ConfigError(path, None, "the files change while they are read", "write them in one go, then try again")]
    )


def fingerprint_of_directory(path: Path, *, drafts: bool = False) -> str:
    """Cheap to compute, and another one after any change of any playbook file. Reads no contents."""
    digest = hashlib.sha256()
    try:
        for shown, real in _files(path, drafts=drafts):
            state = real.stat()
            digest.update(
                f"{shown}\0{real}\0{state.st_mtime_ns}\0{state.st_size}\0{state.st_ino}\n".encode("utf-8", "replace")
            )
    except OSError as error:
        digest.update(f"unreadable {error.errno}".encode())
    return digest.hexdigest()[:16]


class Library:
    """The playbooks in use. A failed reload changes nothing."""

    def __init__(
        self,
        path: Path,
        *,
        action_params: ParamsByName,
        condition_params: ParamsByName,
        vars_overrides: Overrides = NO_OVERRIDES,
    ) -> None:
        self.current = LoadedSet()
        self._path = path
        self._action_params = action_params
        self._condition_params = condition_params
        self._overrides = vars_overrides
        self._tried = ""

    def reload(self) -> LoadedSet:
        """Read the directory again and use what it holds.

        Raises:
            PlaybookErrors: what is wrong; ``current`` is still the set from before.
        """
        self._tried = fingerprint_of_directory(self._path)
        loaded = load_directory(
            self._path,
            action_params=self._action_params,
            condition_params=self._condition_params,
            vars_overrides=self._overrides,
            previous=self.current,
        )
        self.current, self._tried = loaded, loaded.fingerprint
        return loaded

    def changed(self) -> bool:
        """Do the files differ from those last tried, loaded or refused? So a refused set is not tried again until it changes."""
        return fingerprint_of_directory(self._path) != self._tried


def _files(directory: Path, *, drafts: bool) -> list[tuple[str, Path]]:
    """What to read: the name to show, and the real file behind it, each real file once."""
    found: dict[Path, str] = {}
    _collect(directory, directory, drafts, found, set())
    return sorted((shown, real) for real, shown in found.items())


def _collect(shown: Path, directory: Path, drafts: bool, found: dict[Path, str], entered: set[Path]) -> None:
    swap = directory / _SWAP
    # Resolved once: all files of this listing come from one side of a ConfigMap's swap.
    real_directory = swap.resolve(strict=True) if swap.exists() else directory
    if (canonical := directory.resolve(strict=True)) in entered:
        return  # a symlink that leads back up
    entered.add(canonical)
    for entry in sorted(real_directory.iterdir()):
        if entry.name.startswith(".") or (entry.name == "drafts" and not drafts):
            continue
        if entry.is_dir():
            _collect(shown / entry.name, entry, drafts, found, entered)
        elif entry.suffix in (".yaml", ".yml") and not entry.stem.endswith(".test"):
            found.setdefault(_resolved(entry, shown / entry.name), str(shown / entry.name))


def _resolved(entry: Path, shown: Path) -> Path:
    try:
        return entry.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # leads nowhere, or in a circle, which pathlib calls a RuntimeError
        number = getattr(error, "errno", errno.ELOOP)
        raise OSError(number, os.strerror(number), str(shown)) from None


def _read(real: Path, shown: str) -> str | ConfigError:
    if not real.is_file():  # a pipe is never at its end, and the service would wait for it
        return ConfigError(shown, None, "is no regular file", "accepted: files, and links to files")
    if real.stat().st_size > 4 * marked_yaml.MAX_CHARACTERS:
        return ConfigError(shown, None, "the file is too large", f"accepted: {marked_yaml.MAX_CHARACTERS} characters")
    try:
        return real.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return ConfigError(shown, None, f"not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8")
