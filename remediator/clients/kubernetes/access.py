"""What the API server says that we may do. Every authenticated user may ask it of himself, so this needs no permission of its own."""

from typing import Any

from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ASKING = Permission("authorization.k8s.io", "selfsubjectaccessreviews", "create", everywhere=True)


class Access(Part):
    """Of one cluster."""

    async def allowed(self, permission: Permission, namespace: str) -> bool:
        """May we do that in this namespace? An empty one asks for all of them, or for what stands in none.

        Raises:
            FactsMissingError: no answer, which is neither a yes nor a no.
        """
        resource, _, subresource = permission.resource.partition("/")
        attributes = {
            "namespace": namespace,
            "verb": permission.verb,
            "group": permission.group,
            "resource": resource,
            "subresource": subresource,
        }
        question: dict[str, Any] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answered = await self._api.ask(_REVIEWS, _ASKING, question)
        return understood("access review", lambda: answered["status"]["allowed"] is True)
