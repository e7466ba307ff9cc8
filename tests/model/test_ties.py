"""The model's header says where each of its transitions stands in the program; there it must be."""

import importlib
import re
from typing import Any

import pytest

from tests.model.checker import MODEL

_HEADER = MODEL.read_text().partition("*/")[0]
NAMED = sorted(set(re.findall(r"\bremediator(?:\.\w+)+", _HEADER)))


@pytest.mark.parametrize("name", NAMED)
def test_what_the_model_is_a_model_of_exists(name: str) -> None:
    assert callable(_found(name)), name


def test_the_list_is_read() -> None:
    assert len(NAMED) > 25


def _found(name: str) -> Any:
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None
