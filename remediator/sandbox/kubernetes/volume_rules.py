"""What the API server says to a PersistentVolumeClaim: defaults, and when it may be enlarged."""

from decimal import Decimal

from remediator.sandbox.kubernetes.errors import ApiError, Cause
from remediator.sandbox.kubernetes.quantities import quantity
from remediator.sandbox.kubernetes.resources import CLAIMS, STORAGE_CLASSES, Object
from remediator.sandbox.kubernetes.store import ObjectStore

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_CLASS_MUST_ALLOW = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)
_IMMUTABLE = "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def with_default_class(store: ObjectStore, claim: Object) -> Object:
    """The claim as it is born: of the default storage class if it names none."""
    spec = {"volumeMode": "Filesystem", **(claim.get("spec") or {})}
    if spec.get("storageClassName") is None:
        for found in store.all(STORAGE_CLASSES):
            if (found["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true":
                spec["storageClassName"] = found["metadata"]["name"]
    return {**claim, "spec": spec, "status": {"phase": "Pending"}}


def claim_causes(claim: Object, old: Object | None) -> list[Cause]:
    """Why a claim cannot be stored; a size may grow, and shrink back no further than what is there."""
    spec = claim.get("spec") or {}
    causes = [
        Cause("FieldValueRequired", text, field)
        for field, present, text in (
            ("spec.accessModes", spec.get("accessModes"), "Required value: at least 1 access mode is required"),
            ("spec.resources[storage]", _requests(claim).get("storage"), "Required value"),
        )
        if not present
    ]
    try:
        asked = _size(claim)
    except ValueError:
        return [*causes, Cause("FieldValueInvalid", "Invalid value: not a quantity", "spec.resources.requests.storage")]
    if old is None:
        return causes
    changed = {key for key in spec.keys() | old["spec"].keys() if spec.get(key) != old["spec"].get(key)}
    if "volumeName" in changed and not old["spec"].get("volumeName"):
        changed.remove("volumeName")
    bound = old.get("status", {}).get("phase") == "Bound"
    if changed - ({"resources"} if bound else set()):
        causes.append(Cause("FieldValueForbidden", _IMMUTABLE, "spec"))
    there = quantity((old.get("status", {}).get("capacity") or {}).get("storage", 0))
    if asked < _size(old) and asked <= there:
        text = "Forbidden: field can not be less than status.capacity"
        causes.append(Cause("FieldValueForbidden", text, "spec.resources.requests.storage"))
    return causes


def check_expansion(store: ObjectStore, claim: Object, old: Object) -> None:
    """Raise 403 for a claim that is to grow and whose storage class does not let it."""
    if _size(claim) <= _size(old):
        return
    name = old["metadata"]["name"]
    allowed = store.get(STORAGE_CLASSES, "", str(old["spec"].get("storageClassName")))
    if allowed is None or not allowed.get("allowVolumeExpansion"):
        message = f'persistentvolumeclaims "{name}" is forbidden: {_CLASS_MUST_ALLOW}'
        raise ApiError(403, message, details={"name": name, "kind": CLAIMS.plural})


def _requests(claim: Object) -> Object:
    found: Object = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return found


def _size(claim: Object) -> Decimal:
    return quantity(_requests(claim).get("storage", 0))
