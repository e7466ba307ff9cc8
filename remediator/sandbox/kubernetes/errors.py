"""Failures as the API server words them: `Status` objects with reason, code and details."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from remediator.sandbox.kubernetes.resources import Object, Resource

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why an object is invalid."""

    reason: str
    message: str
    field: str

    def as_object(self) -> Object:
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A request that the server refuses; `status()` is the body of the answer."""

    def __init__(self, code: int, message: str, *, reason: str | None = None, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason if reason is not None else _REASONS.get(code, "")
        self.details = details

    def status(self) -> Object:
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body


def _of(resource: Resource, name: str) -> Object:
    details: Object = {"name": name, "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    return details


class UndecodableError(ApiError):
    """A value of the wrong type. A plain write is answered 400; a patch that leads there 422."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class NoSuchPathError(ApiError):
    """Nothing is served there; the real server answers without a Status, in plain text."""

    def __init__(self) -> None:
        super().__init__(404, "404 page not found")


def bad_request(message: str) -> ApiError:
    return ApiError(400, message)


def no_such_subresource() -> ApiError:
    return ApiError(404, "the server could not find the requested resource", details={})


def not_allowed() -> ApiError:
    return ApiError(405, "the server does not allow this method on the requested resource", details={})


def other_name(sent: object, name: object) -> ApiError:
    return bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, f'{resource.qualified} "{name}" not found', details=_of(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=_of(resource, name))


def stale(resource: Resource, name: str) -> ApiError:
    """The writer's resourceVersion is not the present one."""
    return _conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def precondition_failed(resource: Resource, name: str, field: str, wanted: str, found: str) -> ApiError:
    text = (
        "StorageError: invalid object, Code: 4, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: {field} in precondition: {wanted}, {field} in object meta: {found}"
    )
    return _conflict(resource, name, text)


def overtaken(resource: Resource, name: str, field: str, wanted: str, found: str) -> ApiError:
    """A precondition of a delete that does not hold; the real server names the kind here, not the plural."""
    label = {"uid": "UID", "resourceVersion": "ResourceVersion"}[field]
    became = "deleted and then recreated" if field == "uid" else "modified"
    why = (
        f"the {label} in the precondition ({wanted}) does not match the {label} in record ({found}). "
        f"The object might have been {became}"
    )
    named = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'Operation cannot be fulfilled on {named} "{name}": {why}'
    return ApiError(409, message, details={**_of(resource, name), "kind": resource.kind})


def _conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, message, details=_of(resource, name))


def invalid(resource: Resource, name: str, causes: Sequence[Cause], *, kind: str | None = None) -> ApiError:
    group, kind = ("autoscaling", kind) if kind == "Scale" else (resource.group, kind or resource.kind)
    named = f"{kind}.{group}" if group else kind
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Object = {"name": name, "kind": kind, "causes": [cause.as_object() for cause in causes]}
    if group:
        details["group"] = group
    return ApiError(422, f'{named} "{name}" is invalid: {listed}', details=details)


def invalid_options(kind: str, causes: Sequence[Cause]) -> ApiError:
    """Options of a request (PatchOptions, DeleteOptions ...) that do not hold."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Object = {"group": "meta.k8s.io", "kind": kind, "causes": [cause.as_object() for cause in causes]}
    return ApiError(422, f'{kind}.meta.k8s.io "" is invalid: {listed}', details=details)


def unsupported(field: str, value: object, supported: Sequence[str]) -> Cause:
    """A value outside of a listed set."""
    listed = ", ".join(f'"{word}"' for word in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {json.dumps(value)}: supported values: {listed}", field)


def unprocessable_patch() -> ApiError:
    """A JSON patch whose test fails or whose path is missing: the real server says no more than this."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, message, reason="Invalid", details={})


def unsupported_media_type() -> ApiError:
    return ApiError(415, "415: Unsupported Media Type", details={})


def forbidden(
    resource: Resource, name: str, verb: str, subresource: str, namespace: str, user: str = "sandbox"
) -> ApiError:
    what = f"{resource.plural}/{subresource}" if subresource else resource.plural
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    named = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = (
        f'{named} is forbidden: User "{user}" cannot {verb} resource "{what}" in API group "{resource.group}"{where}'
    )
    details = _of(resource, name) if name else {key: value for key, value in _of(resource, name).items() if value}
    return ApiError(403, message, details=details)
