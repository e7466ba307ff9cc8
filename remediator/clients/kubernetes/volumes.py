"""Claims on volumes: reading them with their storage class, and asking for a larger one."""

from remediator.clients.kubernetes.claim import Claim, claim_from, growth_body
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.kubernetes.names import RESOURCES, permission_on
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission
from remediator.errors import OutcomeUnknownError
from remediator.targets import Target


def read_claim_and_class() -> tuple[Permission, ...]:
    """What reading a claim and its storage class needs."""
    return (
        RESOURCES["persistentvolumeclaim"].permission("get"),
        RESOURCES["storageclass"].permission("get", everywhere=True),
    )


class Volumes(Part):
    """Of one cluster."""

    async def claim(self, target: Target) -> Claim:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        return understood(target, lambda: claim_from(target, document))

    async def class_allows_growth(self, claim: Claim) -> bool | None:
        """Does its storage class let volumes grow? None when there is no such class. Raises FactsMissingError."""
        if not claim.storage_class:
            return None
        classes = RESOURCES["storageclass"]
        try:
            found = await self._api.get(
                classes.path("", claim.storage_class), classes.permission("get", everywhere=True)
            )
        except TargetNotFoundError:
            return None
        return found.get("allowVolumeExpansion") is True

    async def grow(self, claim: Claim, asked: str, intent_id: str) -> Claim:
        """Ask for a larger volume than the claim just read; raises ConflictError when somebody wrote since."""
        document = await self._api.patch(
            self._path(claim.target),
            permission_on(claim.target, "patch"),
            growth_body(claim.resource_version, asked, intent_id),
            field_manager=FIELD_MANAGER,
        )
        return understood(claim.target, lambda: claim_from(claim.target, document), OutcomeUnknownError)
