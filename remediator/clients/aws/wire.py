"""Which requests to AWS could change something, read off the wire, whatever the service and its protocol.

The operation stands in ``X-Amz-Target`` (JSON), in the form's ``Action`` (query, EC2), at the end of the path (CBOR), or, with REST,
nowhere but in the method. Only operations whose names begin with a known reading word count as reads.
"""

from urllib.parse import parse_qs

from remediator.clients.wire import Sent

_READS = ("Describe", "List", "Get", "Head", "Simulate", "AssumeRole")
"""``AssumeRole...`` gives a credential and changes nothing."""
_CBOR = "/operation/"
_FORM = "application/x-www-form-urlencoded"


class AwsWire:
    """Of every AWS service."""

    name = "aws"

    def is_write(self, sent: Sent) -> bool:
        operation = operation_of(sent)
        if operation is not None:
            return not operation.startswith(_READS)
        return sent.method not in ("GET", "HEAD")

    def tells(self, sent: Sent) -> bool:
        del sent
        return False

    def not_dry(self, sent: Sent) -> str | None:
        """Only EC2 has a dry-run of its own, marked in its form. Elsewhere the mark would be ignored and the thing done."""
        if _service(sent) == "ec2" and _form(sent).get("DryRun") == ["true"]:
            return None
        return f"{operation_of(sent) or ''} has no mark of a dry-run that AWS heeds, and this is one".lstrip()


def operation_of(sent: Sent) -> str | None:
    """The operation by name; None with REST, where it has none."""
    headers = {key.lower(): value for key, value in sent.headers.items()}
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if named := _form(sent).get("Action"):
        return named[0] if len(named) == 1 else ""
    if _CBOR in sent.url.path:
        return sent.url.path.rpartition(_CBOR)[2]
    return None


def _form(sent: Sent) -> dict[str, list[str]]:
    """The query protocol takes its parameters in the body or in the URL."""
    headers = {key.lower(): value for key, value in sent.headers.items()}
    fields = parse_qs(sent.url.query_string, keep_blank_values=True)
    if headers.get("content-type", "").lower().startswith(_FORM):
        for key, values in parse_qs(sent.body.decode(errors="replace"), keep_blank_values=True).items():
            fields[key] = fields.get(key, []) + values
    return fields


def _service(sent: Sent) -> str:
    """By the scope that the request is signed for: ``Credential=AKIA.../20261130/eu-west-1/ec2/aws4_request``."""
    headers = {key.lower(): value for key, value in sent.headers.items()}
    _, _, scope = headers.get("authorization", "").partition("Credential=")
    parts = scope.partition(",")[0].split("/")
    return parts[3] if len(parts) == 5 else ""
