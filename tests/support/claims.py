"""Claims on volumes of a stage, and storage classes for them."""

from tests.controlplane.words import PROVISIONER
from tests.support.cluster import Object, Stage


async def storage_class(stage: Stage, *, name: str = "fast", grows: bool = True) -> str:
    """A class of this stage alone; returns its name."""
    full = f"{stage.namespace}-{name}"
    await stage.create(
        {
            "kind": "StorageClass",
            "metadata": {"name": full},
            "provisioner": PROVISIONER,
            "allowVolumeExpansion": grows,
        }
    )
    return full


async def claim(stage: Stage, of_class: str, *, name: str = "data", asked: str = "10Gi", **annotations: str) -> Object:
    """A claim that has its volume. `resize="never"` and the like become annotations of the test bed."""
    told = {f"sandbox.remediator.dev/{key}": value for key, value in annotations.items()}
    spec = {
        "storageClassName": of_class,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": asked}},
    }
    await stage.create({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "annotations": told}, "spec": spec})
    return await bound(stage, name)


async def bound(stage: Stage, name: str) -> Object:
    """Wait for its volume."""
    return await stage.until("PersistentVolumeClaim", name, lambda found: "capacity" in found["status"], what="bound")
