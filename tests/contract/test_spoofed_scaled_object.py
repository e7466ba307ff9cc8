"""Whoever may write an autoscaler chooses no ScaledObject that remediator then changes: an owner reference is only text."""

from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.errors import FactsMissingError
from tests.contract.cases.autoscaler_cases import autoscaler
from tests.contract.cases.workload_cases import up
from tests.contract.doing import Doing
from tests.support import crds
from tests.support.cluster import Object, Stage

KEDA: Object = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}


async def payment(stage: Stage) -> Object:
    """Another team's."""
    await crds.install(stage, crds.KEDA)
    spec = {"scaleTargetRef": {"name": "payment"}, "minReplicaCount": 2, "maxReplicaCount": 5}
    return await stage.create({"kind": "ScaledObject", "metadata": {"name": "payment"}, "spec": spec})


async def on(stage: Stage, name: str, **metadata: Any) -> Doing:
    target = await up(stage, "Deployment")
    await autoscaler(stage, name, **metadata)
    return await Doing.on(stage, "kubernetes.hpa_bounds", target, max=9, scaled_object=True)


async def test_a_scaled_object_that_scales_something_else_is_left_alone(stage: Stage) -> None:
    made = await payment(stage)
    owner = {**KEDA, "name": "payment", "uid": made["metadata"]["uid"], "controller": True}
    bounds = await on(stage, "checkout", ownerReferences=[owner])
    with pytest.raises(PlanRefusedError, match="deployment/payment") as refused:
        await bounds.plan()
    assert refused.value.code == "scaled_object_of_another"


async def test_the_name_of_an_autoscaler_alone_chooses_none(stage: Stage) -> None:
    await payment(stage)
    bounds = await on(stage, "keda-hpa-payment")
    with pytest.raises(PlanRefusedError) as refused:
        await bounds.plan()
    assert refused.value.code == "scaled_object_of_another"


async def test_an_owner_reference_does_not_lead_into_another_namespace(emulated_stage: Stage) -> None:
    """On the emulator, which lets an object of an owner that is not there stand for a while: a real cluster collects it in between."""
    await payment(emulated_stage)
    elsewhere = f"../../{emulated_stage.namespace}/scaledobjects/payment"
    bounds = await on(
        emulated_stage, "checkout", ownerReferences=[{**KEDA, "name": elsewhere, "uid": "none", "controller": True}]
    )
    with pytest.raises(FactsMissingError, match="not a valid name"):
        await bounds.plan()
