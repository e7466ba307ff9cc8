"""Answers and errors as each protocol has them."""

import json
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from aiohttp import web

from remediator.sandbox.aws.models import model_of, protocol_of
from remediator.sandbox.aws.protocol import xml_out
from remediator.sandbox.aws.protocol.json_values import value_out
from remediator.sandbox.aws.protocol.values import known, scalar_out
from remediator.sandbox.aws.service import Refused

REQUEST_ID = "5a4d3b2c-0000-4000-8000-000000000000"
_XML, _FORM_XML = "application/xml", "text/xml"


def answer(service: str, operation: str, value: dict[str, Any]) -> web.Response:
    """A success. Raises TypeError when the value does not have the shape of the model's output."""
    model = model_of(service).operation_model(operation)
    shape, protocol = model.output_shape, protocol_of(service)
    if shape is None and value:
        raise TypeError(f"{operation} answers nothing, not {value!r}")
    match protocol:
        case "query":
            return _response(200, xml_out.text(_query(model, shape, value)), _FORM_XML)
        case "ec2":
            root = Element(f"{operation}Response", xmlns=model_of(service).metadata["xmlNamespace"])
            SubElement(root, "requestId").text = REQUEST_ID
            if shape is not None:
                xml_out.fill(root, shape, value)
            return _response(200, xml_out.text(root), _FORM_XML)
        case "json":
            body = {} if shape is None else value_out(shape, value)
            return _response(200, json.dumps(body).encode(), _json_type(service))
        case _:
            return _rest(service, operation, shape, value, protocol)


def _query(model: Any, shape: Any, value: dict[str, Any]) -> Element:
    root = Element(f"{model.name}Response", xmlns=model.metadata["xmlNamespace"])
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper")
        xml_out.fill(SubElement(root, wrapper) if wrapper else root, shape, value)
    SubElement(SubElement(root, "ResponseMetadata"), "RequestId").text = REQUEST_ID
    return root


def _rest(service: str, operation: str, shape: Any, value: dict[str, Any], protocol: str) -> web.Response:
    status = int(model_of(service).operation_model(operation).http.get("responseCode", 200))
    if shape is None:
        return _response(status, b"", None)
    headers: dict[str, str] = {}
    for name, one in known(shape, value).items():
        member = shape.members[name]
        key = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "header":
                headers[key] = scalar_out(member, one, "rfc822")
            case "headers":
                headers.update({f"{key}{inner}": str(text) for inner, text in one.items()})
            case "statusCode":
                status = int(one)
    response = _response(status, *_rest_body(operation, shape, value, protocol))
    response.headers.update(headers)
    return response


def _rest_body(operation: str, shape: Any, value: dict[str, Any], protocol: str) -> tuple[bytes, str | None]:
    payload = shape.serialization.get("payload")
    inner = shape.members[payload] if payload else shape
    what = value.get(payload) if payload else value
    if payload and inner.type_name in ("blob", "string"):
        return what if isinstance(what, bytes) else str(what or "").encode(), None
    if protocol == "rest-json":
        return json.dumps(value_out(inner, what or {})).encode(), "application/json"
    if operation == "GetBucketLocation":  # S3's only answer without a structure around it
        root = Element("LocationConstraint")
        root.text = value.get("LocationConstraint", "")
        return xml_out.text(root), _XML
    if not payload and all(member.serialization.get("location") for member in shape.members.values()):
        return b"", None
    root = Element(inner.serialization.get("name") or (payload if payload else shape.name))
    xml_out.fill(root, inner, what or {})
    return xml_out.text(root), _XML


def error(service: str, operation: str | None, refused: Refused, *, head: bool = False) -> web.Response:
    """A refusal in the service's protocol."""
    status = refused.status or _modelled_status(service, operation, refused.code) or 400
    protocol = protocol_of(service)
    if head:  # a HEAD's answer has no body to say it in
        return _response(status, b"", None)
    if protocol in ("json", "rest-json"):
        body = {"__type": refused.code, "message": refused.message, "Message": refused.message, **refused.members}
        response = _response(status, json.dumps(body).encode(), _json_type(service))
        if protocol == "rest-json":
            response.headers["x-amzn-errortype"] = refused.code
        return response
    return _response(status, xml_out.text(_error_tree(service, protocol, refused, status)), _FORM_XML)


def _error_tree(service: str, protocol: str, refused: Refused, status: int) -> Element:
    if service == "s3":
        root = inner = Element("Error")
    elif protocol == "ec2":
        root = Element("Response")
        inner = SubElement(SubElement(root, "Errors"), "Error")
    else:
        root = Element("ErrorResponse")
        inner = SubElement(root, "Error")
        SubElement(inner, "Type").text = "Sender" if status < 500 else "Receiver"
    SubElement(inner, "Code").text = refused.code
    SubElement(inner, "Message").text = refused.message
    for name, value in refused.members.items():
        SubElement(inner, name).text = str(value)
    SubElement(root, "RequestID" if protocol == "ec2" else "RequestId").text = REQUEST_ID
    return root


def _modelled_status(service: str, operation: str | None, code: str) -> int | None:
    if operation is None:
        return None
    for shape in model_of(service).operation_model(operation).error_shapes:
        said = shape.metadata.get("error", {})
        if code in (said.get("code"), shape.name):
            status: int | None = said.get("httpStatusCode")
            return status
    return None


def _response(status: int, body: bytes, content_type: str | None) -> web.Response:
    headers = {"x-amzn-RequestId": REQUEST_ID, "x-amz-request-id": REQUEST_ID}
    if content_type:
        headers["Content-Type"] = content_type
    return web.Response(status=status, body=body, headers=headers)


def _json_type(service: str) -> str:
    version = model_of(service).metadata.get("jsonVersion", "1.1")
    return f"application/x-amz-json-{version}" if protocol_of(service) == "json" else "application/json"
