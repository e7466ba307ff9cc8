"""Which template a rollback takes, and when none."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from remediator.clients.kubernetes.revision import (
    UNDONE,
    NoWay,
    Revision,
    Way,
    present_of,
    revision_from,
    rolled_out_at,
    way_back,
)
from remediator.clients.kubernetes.workload import Workload
from tests.support.clock import T0
from tests.unit.clients.kubernetes.documents import workload

APP = {"metadata": {"labels": {"app": "checkout"}}}


def template(image: str, **annotations: str) -> dict[str, Any]:
    metadata = {**APP["metadata"], **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": image}]}}


def revision(number: int, made: dict[str, Any], *, age_s: int = 0) -> Revision:
    """As a Deployment's controller keeps it."""
    labels = {**made["metadata"]["labels"], "pod-template-hash": f"h{number}"}
    kept = {**made, "metadata": {**made["metadata"], "labels": labels, "creationTimestamp": None}}
    at = (T0 - timedelta(seconds=age_s)).isoformat()
    annotations = {"deployment.kubernetes.io/revision": str(number)}
    metadata = {"name": f"checkout-h{number}", "creationTimestamp": at, "annotations": annotations}
    return revision_from({"metadata": metadata, "spec": {"template": kept}})


def having(made: dict[str, Any], **metadata: Any) -> Workload:
    return workload(spec={"template": made}, **metadata)


def test_it_is_the_newest_but_one() -> None:
    history = [revision(1, template("a")), revision(3, template("c")), revision(2, template("b"))]
    found = way_back(having(template("c")), history)
    assert isinstance(found, Way)
    assert (found.present.number, found.to.number) == (3, 2)
    assert found.to.images == {"c": "b"}


def test_a_number_is_taken_if_it_is_kept() -> None:
    history = [revision(1, template("a")), revision(2, template("b")), revision(3, template("c"))]
    found = way_back(having(template("c")), history, to_revision=1)
    assert isinstance(found, Way)
    assert found.to.number == 1


@pytest.mark.parametrize(
    ("history", "options", "code"),
    [
        ([(1, template("b"))], {}, "no_previous_revision"),
        ([(1, template("a")), (2, template("b"))], {"to_revision": 7}, "no_previous_revision"),
        ([(1, template("a")), (2, template("b"))], {"to_revision": 2}, "nothing_to_change"),
        ([(1, template("b", restartedAt="then")), (2, template("b"))], {}, "same_images"),
        ([(1, template("b")), (2, template("other"))], {}, "history_unsettled"),
        ([], {}, "history_unsettled"),
    ],
)
def test_what_is_no_way_back(history: list[tuple[int, Any]], options: Any, code: str) -> None:
    found = way_back(having(template("b")), [revision(*one) for one in history], **options)
    assert isinstance(found, NoWay)
    assert found.code == code
    assert found.settling == (code == "history_unsettled")


def test_the_same_images_will_do_where_that_is_said() -> None:
    history = [revision(1, template("b", restartedAt="then")), revision(2, template("b"))]
    assert isinstance(way_back(having(template("b")), history, same_images=True), Way)


def test_what_somebody_went_back_from_is_never_brought_back() -> None:
    """A template that comes back keeps its old object, so the one below it is younger."""
    history = [revision(2, template("b"), age_s=60), revision(3, template("a"), age_s=600)]
    found = way_back(having(template("a")), history)
    assert isinstance(found, NoWay)
    assert found.code == "would_flip_flop"
    first = revision(1, template("first"), age_s=900)
    assert isinstance(way_back(having(template("a")), [first, *history], to_revision=1), Way)


def test_what_we_went_back_from_is_never_brought_back_however_fast_it_was() -> None:
    bad = revision(2, template("b"))
    undone = having(template("a"), annotations={UNDONE: bad.template_hash})
    found = way_back(undone, [bad, revision(3, template("a"))])
    assert isinstance(found, NoWay)
    assert found.code == "would_flip_flop"


def test_a_history_that_the_controller_has_not_seen_yet_says_nothing() -> None:
    behind = having(template("a"), generation=3)
    assert present_of(behind, [revision(1, template("a"))]) is None


def test_what_controllers_add_to_a_template_is_no_difference() -> None:
    plain = having(template("a")).template_hash
    kept = {**template("a"), "$patch": "replace"}
    at = T0.isoformat()
    controlled = revision_from(
        {"metadata": {"name": "r", "creationTimestamp": at}, "revision": 4, "data": {"spec": {"template": kept}}}
    )
    assert plain == controlled.template_hash == revision(1, template("a")).template_hash
    empty = {**template("a"), "metadata": {**APP["metadata"], "creationTimestamp": None, "annotations": {}}}
    assert having(empty).template_hash == plain


def test_a_new_template_is_present_since_its_revision_was_made() -> None:
    history = [revision(1, template("a"), age_s=600), revision(2, template("b"), age_s=60)]
    assert rolled_out_at(having(template("b")), history) == T0 - timedelta(seconds=60)


def test_a_template_that_came_back_is_present_since_it_was_written() -> None:
    at = (T0 - timedelta(seconds=5)).isoformat()
    entry = {"manager": "kubectl", "operation": "Update", "time": at, "fieldsV1": {"f:spec": {"f:template": {}}}}
    history = [revision(2, template("b"), age_s=60), revision(3, template("a"), age_s=600)]
    assert rolled_out_at(having(template("a"), managedFields=[entry]), history) == datetime.fromisoformat(at)
    assert rolled_out_at(having(template("a")), history) is None
