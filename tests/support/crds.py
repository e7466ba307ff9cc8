"""Custom resources of others on a stage: installed once on the real control plane, which all tests share; the emulator has them."""

import asyncio
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import RefusedError, Stage
from tests.support.kinds import kind_of

_DIRECTORY = Path(__file__).parents[1] / "data" / "crds"
_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.05

KEDA, CNPG = "keda-scaledobject", "cnpg-cluster"


async def install(stage: Stage, name: str) -> None:
    """Have this custom resource, ready to be used. It stays: another test may be using it."""
    if not stage.is_real:
        return
    definition = yaml.safe_load((_DIRECTORY / f"{name}.yaml").read_text())
    try:
        # Not by `stage.create`, which would remove it at the end.
        await stage.request("POST", kind_of("CustomResourceDefinition").path(""), definition)
    except RefusedError as error:
        if error.status != 409:
            raise
    await stage.until("CustomResourceDefinition", definition["metadata"]["name"], _is_established, within_s=_WITHIN_S)
    await _served(stage, definition)


def _is_established(found: dict[str, Any]) -> bool:
    conditions = found["status"].get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


async def _served(stage: Stage, definition: dict[str, Any]) -> None:
    """Established is said a moment before the paths answer; until then they are not found, or are being made (429)."""
    kind = definition["spec"]["names"]["kind"]
    async with asyncio.timeout(_WITHIN_S):
        while True:
            try:
                await stage.list(kind)
                return
            except RefusedError as error:
                if error.status not in (404, 429):
                    raise
            await asyncio.sleep(_LOOK_EVERY_S)
