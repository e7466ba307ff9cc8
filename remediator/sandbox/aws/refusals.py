"""What every service says in the same situations, each protocol in its own words."""

from remediator.sandbox.aws.models import protocol_of
from remediator.sandbox.aws.service import Refused


def denied(service: str, action: str, arn: str) -> Refused:
    """The caller's policies do not allow it."""
    message = f"User: {arn} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    match protocol_of(service):
        case "ec2":
            return Refused("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
        case "json":
            return Refused("AccessDeniedException", message, 400)
        case "rest-json":
            return Refused("AccessDeniedException", message, 403)
        case _:
            return Refused("AccessDenied", message, 403)


def throttled(service: str) -> Refused:
    match protocol_of(service):
        case "ec2":
            return Refused("RequestLimitExceeded", "Request limit exceeded.", 503)
        case "json":
            return Refused("ThrottlingException", "Rate exceeded", 400)
        case "rest-json":
            return Refused("ThrottlingException", "Rate exceeded", 429)
        case "rest-xml" if service == "s3":
            return Refused("SlowDown", "Please reduce your request rate.", 503)
        case _:
            return Refused("Throttling", "Rate exceeded", 400)


def expired(service: str) -> Refused:
    """The session's credentials have ended."""
    message = "The security token included in the request is expired"
    match protocol_of(service):
        case "ec2":
            return Refused("RequestExpired", "Request has expired.", 400)
        case "json" | "rest-json":
            return Refused("ExpiredTokenException", message, 400)
        case _:
            return Refused("ExpiredToken", message, 403 if service != "s3" else 400)


def unknown_key(service: str) -> Refused:
    message = "The security token included in the request is invalid."
    match protocol_of(service):
        case "ec2":
            return Refused("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        case "json" | "rest-json":
            return Refused("UnrecognizedClientException", message, 400 if protocol_of(service) == "json" else 403)
        case _:
            return Refused("InvalidClientTokenId", message, 403)


def unknown_operation(service: str, operation: str | None) -> Refused:
    """This AWS does not have it, or nobody has."""
    match protocol_of(service):
        case "query" | "ec2":
            return Refused("InvalidAction", f"The action {operation} is not valid for this web service.", 400)
        case "json" | "rest-json":
            return Refused("UnknownOperationException", f"{operation}", 400 if protocol_of(service) == "json" else 404)
        case _:
            return Refused("NotImplemented", f"{operation} is not there", 501)


def broken(service: str, status: int = 500) -> Refused:
    """Trouble of AWS's own."""
    code = {503: "ServiceUnavailable"}.get(status, "InternalFailure" if service != "s3" else "InternalError")
    return Refused(code, "The request processing has failed because of an unknown error.", status)
