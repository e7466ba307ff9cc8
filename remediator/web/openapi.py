"""The API's description (OpenAPI 3.1), made from the table of endpoints and the models that they take and give."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from remediator.web.api_answers import Error
from remediator.web.endpoints import Endpoint

_ERRORS = {
    "400": "Names the field and what is accepted.",
    "401": "No or a wrong token.",
    "404": "No such thing.",
    "409": "It does nothing, and why.",
    "503": "The store cannot be used.",
}


def document(base: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The whole description."""
    table = list(endpoints)
    needed: set[type[BaseModel]] = {Error}
    for endpoint in table:
        needed |= {model for model in (endpoint.gives, endpoint.body) if model is not None}
    ordered = sorted(needed, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in table:
        paths.setdefault(f"{base}{endpoint.path}", {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "remediator", "version": version("remediator")},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


_REF = "#/components/schemas/{model}"


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handle.__name__.strip("_"),
        "summary": endpoint.summary,
        "responses": {
            "200": {"description": "Done, or found.", "content": _json(endpoint.gives)},
            **{code: {"description": why, "content": _json(Error)} for code, why in _ERRORS.items()},
        },
    }
    if parameters := [*_in_path(endpoint), *_in_query(endpoint)]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(endpoint.body)}
    return operation


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    if "{id}" not in endpoint.path:
        return []
    return [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]


def _in_query(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    properties = endpoint.query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]
