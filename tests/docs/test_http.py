"""Routes: those in README are those that the service answers, and those of its OpenAPI document."""

from typing import Any, cast

from aiohttp import web

from remediator.clock import SystemClock
from remediator.metrics import Metrics
from remediator.settings import Settings
from remediator.web import openapi
from remediator.web.api import BASE, Api
from remediator.web.auth import Auth
from remediator.web.endpoints import ENDPOINTS
from remediator.web.health import Health
from remediator.web.server import build_app
from tests.docs.markdown import README, first_column


def answered() -> set[str]:
    """Every route of the real application: method and path."""
    nothing, metrics, settings = cast(Any, None), Metrics(), Settings()
    auth = Auth(settings, insecure_no_auth=True)
    app = build_app(
        intake=nothing,
        auth=auth,
        health=Health(intake=nothing, metrics=metrics, dependencies=nothing),
        metrics=metrics,
        clock=SystemClock(),
        settings=settings,
        extra_routes=Api(operations=nothing, explainer=nothing, auth=auth).routes(),
    )
    return {f"{route.method} {path(route)}" for route in app.router.routes() if route.method not in ("HEAD", "*")}


def path(route: web.AbstractRoute) -> str:
    """Without the slash at the end, which is only another spelling."""
    return route.resource.canonical.rstrip("/") if route.resource is not None else ""


def test_the_documented_routes_are_those_that_the_service_answers() -> None:
    assert set(first_column(README, "HTTP")) == answered()


def test_the_openapi_document_has_every_route_of_the_api() -> None:
    described = {
        f"{method.upper()} {where}"
        for where, operations in openapi.document(BASE, ENDPOINTS)["paths"].items()
        for method in operations
    }
    assert described | {f"GET {BASE}/openapi.json"} == {route for route in answered() if f" {BASE}" in route}
