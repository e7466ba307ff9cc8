"""The patch types as pure functions, and who owns a field after a change."""

from typing import Any

import pytest

from remediator.sandbox.kubernetes.errors import ApiError
from remediator.sandbox.kubernetes.managed_fields import record
from remediator.sandbox.kubernetes.patches import json_patch, merge_patch, strategic_merge


def test_a_merge_patch_replaces_lists_and_deletes_with_null() -> None:
    assert merge_patch({"a": [1, 2], "b": {"c": 1, "d": 2}}, {"a": [3], "b": {"c": None}}) == {"a": [3], "b": {"d": 2}}


@pytest.mark.parametrize(
    ("current", "patch", "merged"),
    [
        ([{"name": "a", "x": 1}], [{"name": "b"}], [{"name": "b"}, {"name": "a", "x": 1}]),
        (
            [{"name": "a", "x": 1}, {"name": "b"}],
            [{"name": "b", "y": 2}],
            [{"name": "a", "x": 1}, {"name": "b", "y": 2}],
        ),
        ([{"name": "a"}, {"name": "b"}], [{"name": "a", "$patch": "delete"}], [{"name": "b"}]),
        ([{"name": "a"}], [{"$patch": "replace"}, {"name": "c"}], [{"name": "c"}]),
        ([{"name": "a", "x": 1}], [{"name": "a", "x": None}], [{"name": "a"}]),
        ([], [{"name": "a"}], [{"name": "a"}]),
    ],
)
def test_strategic_merge_of_keyed_lists(current: Any, patch: Any, merged: Any) -> None:
    assert strategic_merge({"env": current}, {"env": patch}) == {"env": merged}


def test_strategic_merge_keys_each_list_by_its_own_field() -> None:
    conditions = [{"type": "Ready", "status": "False"}, {"type": "Other", "status": "True"}]
    merged = strategic_merge({"conditions": conditions}, {"conditions": [{"type": "Ready", "status": "True"}]})
    assert merged["conditions"] == [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}]


def test_strategic_merge_replaces_what_is_told_to_and_lists_without_a_key() -> None:
    assert strategic_merge({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}
    assert strategic_merge({"args": ["a"]}, {"args": ["b"]}) == {"args": ["b"]}
    assert strategic_merge({"s": {"type": "x", "old": 1}}, {"s": {"$retainKeys": ["type"], "type": "y"}}) == {
        "s": {"type": "y"}
    }


def test_an_item_without_its_merge_key_is_a_bad_request() -> None:
    with pytest.raises(ApiError) as caught:
        strategic_merge({"env": []}, {"env": [{"value": "x"}]})
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("operations", "patched"),
    [
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b/c": {"d": 1}}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "b/c": {"d": 1}}),
        ([{"op": "remove", "path": "/b~1c"}], {"a": [1, 2]}),
        ([{"op": "replace", "path": "/a/1", "value": 9}], {"a": [1, 9], "b/c": {"d": 1}}),
        ([{"op": "move", "from": "/b~1c/d", "path": "/e"}], {"a": [1, 2], "b/c": {}, "e": 1}),
        ([{"op": "copy", "from": "/a/0", "path": "/e"}], {"a": [1, 2], "b/c": {"d": 1}, "e": 1}),
        ([{"op": "test", "path": "/b~1c/d", "value": 1}], {"a": [1, 2], "b/c": {"d": 1}}),
    ],
)
def test_json_patch_operations(operations: list[Any], patched: Any) -> None:
    document = {"a": [1, 2], "b/c": {"d": 1}}
    assert json_patch(document, operations) == patched
    assert document == {"a": [1, 2], "b/c": {"d": 1}}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "test", "path": "/a", "value": 2}, 422),
        ({"op": "test", "path": "/missing", "value": 1}, 422),
        ({"op": "replace", "path": "/missing", "value": 1}, 422),
        ({"op": "remove", "path": "/missing"}, 422),
        ({"op": "add", "path": "/x/y", "value": 1}, 422),
        ({"op": "explode", "path": "/a"}, 400),
        ({"op": "add"}, 400),
        ("text", 400),
    ],
)
def test_json_patch_refusals(operation: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1}, [operation])
    assert caught.value.code == code


def owners(*changes: tuple[str, dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    for manager, old, new in changes:
        entries = record(entries, old, new, manager=manager, subresource="", api_version="apps/v1", at="now")
    return {entry["manager"]: entry["fieldsV1"] for entry in entries}


def test_a_changed_field_moves_to_the_last_writer_and_the_rest_stays() -> None:
    first, second = {"spec": {"replicas": 1, "paused": True}}, {"spec": {"replicas": 2, "paused": True}}
    assert owners(("a", {}, first), ("b", first, second)) == {
        "a": {"f:spec": {"f:paused": {}}},
        "b": {"f:spec": {"f:replicas": {}}},
    }


def test_a_removed_field_belongs_to_nobody_and_an_empty_owner_is_dropped() -> None:
    assert owners(("a", {}, {"spec": {"x": 1}}), ("b", {"spec": {"x": 1}}, {"spec": {}, "data": 1})) == {
        "b": {"f:spec": {}, "f:data": {}}
    }


def test_items_of_keyed_lists_are_owned_one_by_one() -> None:
    one = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    two = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}
    assert owners(("x", {}, one), ("y", one, two))["y"] == {"f:containers": {'k:{"name":"b"}': {"f:image": {}}}}


def test_writing_the_same_value_takes_nothing_over() -> None:
    same = {"spec": {"replicas": 1}}
    assert owners(("a", {}, same), ("b", same, dict(same))) == {"a": {"f:spec": {"f:replicas": {}}}}
