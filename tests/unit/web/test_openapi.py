"""The description is the API: same routes, and every answer fits its schema's name."""

from pathlib import Path
from typing import Any

from aiohttp import web

from remediator.web.api import BASE
from tests.support.clock import ManualClock
from tests.support.operators import api, desk


async def test_every_route_is_described_and_every_description_is_a_route(tmp_path: Path, clock: ManualClock) -> None:
    async with desk(tmp_path, clock) as sat, api(sat) as client:
        from remediator.web.api import Api
        from remediator.web.auth import Auth

        made = Api(operations=sat.operations, explainer=sat.explainer, auth=Auth(sat.settings))
        routes = {
            (route.method, route.path)
            for route in made.routes()
            if isinstance(route, web.RouteDef) and route.method != "*"
        }
        status, description = await client.call("GET", "/openapi.json")
    described = {(method.upper(), path) for path, operations in description["paths"].items() for method in operations}
    assert status == 200
    assert described == routes - {("GET", f"{BASE}/openapi.json")}


async def test_every_reference_leads_to_a_schema(tmp_path: Path, clock: ManualClock) -> None:
    async with desk(tmp_path, clock) as sat, api(sat) as client:
        _, description = await client.call("GET", "/openapi.json")
    schemas = description["components"]["schemas"]
    references = set(_references(description))
    assert references
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= schemas.keys()
    names = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in _references(item)]
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    return []
