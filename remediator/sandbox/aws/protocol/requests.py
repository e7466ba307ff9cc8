"""A request of any service: which operation, with which parameters."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from remediator.sandbox.aws.models import model_of, protocol_of, service_signed
from remediator.sandbox.aws.protocol import form_in, rest_routes, xml_in
from remediator.sandbox.aws.protocol.json_values import value_in
from remediator.sandbox.aws.service import Refused
from remediator.sandbox.journal import Received

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


class Scope:
    """What a request's signature says about itself. Signatures are not verified."""

    def __init__(self, received: Received) -> None:
        found = _CREDENTIAL.search(received.headers.get("Authorization", ""))
        self.access_key = found["key"] if found else ""
        self.region = found["region"] if found else ""
        # Tokens of Kubernetes are exchanged without a signature.
        self.service = service_signed(found["service"]) if found else "sts"


def operation(service: str, received: Received) -> str | None:
    """The operation's name; None for none that the model has."""
    match protocol_of(service):
        case "query" | "ec2":
            name = _form(received).get("Action", "")
        case "json":
            name = received.headers.get("X-Amz-Target", "").rpartition(".")[2]
        case _:
            found = rest_routes.find(service, received)
            name = "" if found is None else found[0]
    return name if name in model_of(service).operation_names else None


def params(service: str, name: str, received: Received) -> dict[str, Any]:
    """What it is asked with; raises Refused when it cannot be read or breaks the model's rules."""
    shape = model_of(service).operation_model(name).input_shape
    if shape is None:
        return {}
    try:
        found = _params(service, shape, received)
    except (ValueError, TypeError, KeyError) as error:
        raise Refused("ValidationException", f"The request cannot be read: {error}") from None
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(found, shape)
    if report.has_errors():
        raise Refused(_INVALID.get(protocol_of(service), "ValidationException"), report.generate_report())
    return found


_INVALID = {"query": "ValidationError", "ec2": "InvalidParameterValue", "rest-xml": "InvalidInput"}


def _params(service: str, shape: Any, received: Received) -> dict[str, Any]:
    match protocol_of(service):
        case "query" | "ec2" as protocol:
            return form_in.params(_form(received), shape, protocol == "ec2")
        case "json":
            typed: dict[str, Any] = value_in(shape, json.loads(received.body or b"{}"))
            return typed
        case protocol:
            found = rest_routes.find(service, received)
            outside = rest_routes.located(shape, received, found[1] if found else {})
            return {**_rest_body(shape, received, protocol), **outside}


def _rest_body(shape: Any, received: Received, protocol: str) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    inner = shape.members[payload] if payload else shape
    if not received.body:
        return {}
    if payload and inner.type_name in ("blob", "string"):
        return {payload: received.body if inner.type_name == "blob" else received.body.decode()}
    value = (
        value_in(inner, json.loads(received.body)) if protocol == "rest-json" else xml_in.params(received.body, inner)
    )
    return {payload: value} if payload else value


def _form(received: Received) -> dict[str, str]:
    return dict(parse_qsl(received.body.decode("utf-8", "replace"), keep_blank_values=True))
