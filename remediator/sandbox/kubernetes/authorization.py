"""Who may do what: tokens, the rules granted to each, and single denials on top of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from remediator.sandbox.kubernetes.errors import ApiError, bad_request, forbidden
from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.routes import Address

Rule = tuple[str, str, str, str | None]
"""(group, resource or resource/subresource, verb, namespace or None for everywhere), as RBAC has them; `*` is not known."""

_EVERYONE = "sandbox"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. `rules` None: an administrator."""

    name: str
    rules: frozenset[Rule] | None


class Access:
    """`token`: if given, the administrator's. Without it and without grants everybody is one."""

    def __init__(self, token: str | None) -> None:
        self._users = {token: User(_EVERYONE, None)} if token is not None else {}
        self._denied: set[tuple[str, str, str]] = set()

    def grant(self, token: str, rules: Iterable[Rule] | None, user: str = _EVERYONE) -> None:
        """Let this token do so much and no more; replaces what it had."""
        self._users[token] = User(user, frozenset(rules) if rules is not None else None)

    def deny(self, verb: str, plural: str, subresource: str) -> None:
        self._denied.add((verb, plural, subresource))

    def user(self, authorization: str) -> User:
        """Whom the header names; raises 401 for nobody."""
        if not self._users:
            return User(_EVERYONE, None)
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or token not in self._users:
            raise ApiError(401, "Unauthorized")
        return self._users[token]

    def check(self, user: User, verb: str, at: Address) -> None:
        """Raise 403 unless the user may."""
        if not self._allows(user, verb, at.resource.group, at.resource.plural, at.subresource, at.space):
            raise forbidden(at.resource, at.name or "", verb, at.subresource, at.space, user.name)

    def review(self, user: User, body: Any) -> Object:
        """A SelfSubjectAccessReview answered."""
        spec = _spec(body, "SelfSubjectAccessReview")
        asked = spec.get("resourceAttributes")
        if not isinstance(asked, dict):
            text = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            causes = [{"reason": "FieldValueInvalid", "message": text, "field": "spec.resourceAttributes"}]
            message = f'.authorization.k8s.io "" is invalid: spec.resourceAttributes: {text}'
            raise ApiError(422, message, details={"group": "authorization.k8s.io", "causes": causes})
        keys = ("verb", "group", "resource", "subresource", "namespace")
        allowed = self._allows(user, *(str(asked.get(key) or "") for key in keys))
        status: Object = {"allowed": allowed}
        if allowed:
            status["reason"] = "RBAC: allowed in the sandbox"
        return _review("SelfSubjectAccessReview", spec, status)

    def rules(self, user: User, body: Any) -> Object:
        """A SelfSubjectRulesReview answered: what the user may do in one namespace."""
        spec = _spec(body, "SelfSubjectRulesReview")
        if user.rules is None:
            listed = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        else:
            verbs: dict[tuple[str, str], list[str]] = {}
            for group, resource, verb, namespace in sorted(user.rules, key=str):
                if namespace in (None, spec.get("namespace")):
                    verbs.setdefault((group, resource), []).append(verb)
            listed = [
                {"verbs": sorted(set(found)), "apiGroups": [group], "resources": [resource]}
                for (group, resource), found in verbs.items()
            ]
        paths = [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version"]}]
        status: Object = {"resourceRules": listed, "nonResourceRules": paths, "incomplete": False}
        return _review("SelfSubjectRulesReview", spec, status)

    def _allows(self, user: User, verb: str, group: str, plural: str, subresource: str, namespace: str) -> bool:
        if (verb, plural, subresource) in self._denied:
            return False
        if user.rules is None:
            return True
        resource = f"{plural}/{subresource}" if subresource else plural
        held = [(group, resource, verb, None), *([(group, resource, verb, namespace)] if namespace else [])]
        return not user.rules.isdisjoint(held)


def _spec(body: Any, kind: str) -> Object:
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict):
        raise bad_request(f"a {kind} needs a spec")
    return spec


def _review(kind: str, spec: Object, status: Object) -> Object:
    return {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec, "status": status}
