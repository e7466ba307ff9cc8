"""Which requests to an API server could change something, and where it looks for ``dryRun=All``."""

import json

from yarl import URL

from remediator.clients.wire import Sent

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_THROUGH = frozenset({"exec", "attach", "portforward", "proxy"})
"""Subresources behind which anything at all can be done, whatever the method: a websocket begins with a GET."""
_GONE_THROUGH = frozenset({"pods", "nodes", "services"})


class KubernetesWire:
    """Of the API server, and of every plain HTTP API whose reads are its GETs."""

    name = "kubernetes"

    def is_write(self, sent: Sent) -> bool:
        """Asking the API server what we may do is a POST and still a read."""
        if goes_through(sent.url):
            return True
        if sent.method in _READS:
            return False
        return not (sent.method == "POST" and sent.url.path.endswith("/selfsubjectaccessreviews"))

    def tells(self, sent: Sent) -> bool:
        """Is it an event?"""
        return sent.url.path.startswith("/apis/events.k8s.io/")

    def not_dry(self, sent: Sent) -> str | None:
        if goes_through(sent.url):
            return "has no dry-run, and this is one"
        if sent.url.query.getall("dryRun", []) != ["All"] or not _marked_within(sent):
            return "is not marked dryRun=All, and this is a dry-run"
        return None


def goes_through(url: URL) -> bool:
    """Does it lead through the API server into a pod, a node or a service? There is no dry-run of that."""
    parts = [part for part in url.path.split("/") if part]
    return any(one in _GONE_THROUGH and last in _THROUGH for one, last in zip(parts, parts[2:], strict=False))


def _marked_within(sent: Sent) -> bool:
    """Deletes and evictions carry their options in the body, and the server then overlooks those of the query."""
    evicts = sent.method == "POST" and sent.url.path.endswith("/eviction")
    if not sent.body or not (evicts or sent.method == "DELETE"):
        return not evicts
    try:
        document = json.loads(sent.body)
        options = document["deleteOptions"] if evicts else document
        return bool(options["dryRun"] == ["All"])
    except (ValueError, TypeError, KeyError):
        return False
