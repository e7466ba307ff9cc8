"""kubernetes_asyncio without the 860 modules of its ``client`` package that describe every kind and API: we read JSON.

Measured: the package takes 1.7 s of processor time and 74 MiB, and of that this leaves a tenth. All of it comes by itself as soon as
something else is asked of the package, so whoever imports it besides (tests do) sees no difference.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_NAME = "kubernetes_asyncio"
_LATE = (f"{_NAME}.client", f"{_NAME}.client.models", f"{_NAME}.client.api")
_OURS = {"ApiClient": "api_client", "Configuration": "configuration"}
"""What is used of ``client``, and the file that has it."""


def load() -> Any:
    """The library. Blocking: some tenths of a second the first time."""
    if _LATE[0] not in sys.modules and (found := importlib.util.find_spec(_NAME)) is not None:
        [top] = found.submodule_search_locations or [""]
        for name in _LATE:
            folder = Path(top, *name.split(".")[1:])
            spec = importlib.util.spec_from_file_location(
                name, folder / "__init__.py", submodule_search_locations=[str(folder)]
            )
            if spec is not None:
                sys.modules[name] = package = _Late(name)
                package.__spec__, package.__path__, package.__file__ = spec, [str(folder)], spec.origin
                package.__package__, package.__loader__ = name, spec.loader
                above, _, own = name.rpartition(".")
                if above in sys.modules:
                    setattr(sys.modules[above], own, package)
    return importlib.import_module(_NAME)


class _Late(ModuleType):
    """A package whose own code runs when something is asked of it that no file of its own bears the name of."""

    whole = False

    def __getattr__(self, name: str) -> Any:
        if self.whole or name.startswith("__") or self.__spec__ is None or self.__spec__.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if Path(self.__path__[0], f"{name}.py").exists():
            return importlib.import_module(f"{self.__name__}.{name}")
        if name in _OURS and Path(self.__path__[0], f"{_OURS[name]}.py").exists():
            return getattr(importlib.import_module(f"{self.__name__}.{_OURS[name]}"), name)
        self.whole = True
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)
