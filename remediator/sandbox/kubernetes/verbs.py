"""What each verb does to one address. Nothing here awaits, so every request is atomic."""

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from remediator.sandbox.kubernetes import admission, errors, events, scale, server_side_apply
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.eviction import Evictions
from remediator.sandbox.kubernetes.listing import shown, stored
from remediator.sandbox.kubernetes.patches import apply_patch
from remediator.sandbox.kubernetes.resources import CLAIMS, EVENTS, NAMESPACES, NEW_EVENTS, Object
from remediator.sandbox.kubernetes.routes import Address
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.kubernetes.volume_rules import check_expansion, with_default_class
from remediator.sandbox.kubernetes.write_options import DeleteOptions, WriteOptions


class Verbs:
    """GET, create, replace, patch and delete over the store."""

    def __init__(self, store: ObjectStore, deletion: Deletion, evictions: Evictions) -> None:
        self._store = store
        self._deletion = deletion
        self._evictions = evictions

    def read(self, at: Address) -> Object:
        """One object, or its Scale."""
        return self._shown(at, self._present(at))

    def create(self, at: Address, body: Any, options: WriteOptions, *, owners: list[Object] | None = None) -> Object:
        """Store a new object. 404 when its namespace is missing, 409 when the name is taken."""
        obj = admission.check_form(body)
        admission.check_type(at.resource, obj)
        metadata: Object = {**(obj.get("metadata") or {}), "uid": str(uuid.uuid4())}
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{secrets.token_hex(3)[:5]}"
        if at.namespace is not None:
            if metadata.get("namespace", at.namespace) != at.namespace:
                text = "the namespace of the provided object does not match the namespace sent on the request"
                raise errors.bad_request(text)
            metadata["namespace"] = at.namespace
            if self._store.get(NAMESPACES, "", at.namespace) is None:
                raise errors.not_found(NAMESPACES, at.namespace)
        elif at.resource.namespaced:
            raise errors.not_allowed()
        obj = {**obj, "metadata": metadata}
        if at.resource is NEW_EVENTS:
            obj = events.to_core(obj)
        obj = admission.with_defaults(at.resource, admission.with_first_status(at.resource, obj))
        if stored(at.resource) is EVENTS:
            events.validate(at.resource, obj)
        if at.resource is CLAIMS:
            obj = with_default_class(self._store, obj)
        admission.validate(at.resource, obj)
        kept = stored(at.resource)
        if self._store.get(kept, at.space, metadata["name"]) is not None:
            raise errors.already_exists(at.resource, metadata["name"])
        created = self._store.create(kept, obj, Writer(options.manager), dry_run=options.dry_run, owners=owners)
        return self._shown(at, created)

    def replace(self, at: Address, body: Any, options: WriteOptions) -> Object:
        """PUT: the whole object; without a resourceVersion the last writer wins."""
        old = self._present(at)
        new = admission.check_form(body)
        if at.subresource != "scale":
            admission.check_type(at.resource, new)
        name = (new.get("metadata") or {}).get("name", at.name)
        if name != at.name:
            raise errors.other_name(name, at.name)
        uid = (new.get("metadata") or {}).get("uid")
        if uid is not None and uid != old["metadata"]["uid"]:
            raise errors.precondition_failed(at.resource, str(at.name), "UID", uid, old["metadata"]["uid"])
        return self._write(at, old, lambda _: new, options)

    def patch(self, at: Address, patch: Any, content_type: str, options: WriteOptions) -> Object:
        """PATCH of the object, its status or its Scale."""
        old = self._present(at)
        built_in = at.resource.built_in or at.subresource == "scale"

        def patched(view: Object) -> Object:
            new = admission.check_form(apply_patch(view, patch, content_type, built_in=built_in))
            sent = (new.get("metadata") or {}).get("uid")
            if sent != old["metadata"]["uid"]:
                admission.immutable_uid(at.resource, str(at.name), sent)
            if (name := new["metadata"].get("name")) != at.name:
                raise errors.other_name(name, at.name)
            return new

        try:
            return self._write(at, old, patched, options)
        except errors.UndecodableError as error:
            sent = json.dumps(json.dumps(patch, separators=(",", ":")))
            cause = errors.Cause("FieldValueInvalid", f"Invalid value: {sent}: {error.message}", "patch")
            raise errors.invalid(at.resource, str(at.name), [cause]) from error

    def apply(self, at: Address, body: bytes, options: WriteOptions, at_time: str) -> tuple[bool, Object]:
        """Server-side apply, and whether it made the object."""
        kind = ("Scale", "autoscaling/v1") if at.subresource == "scale" else (at.resource.kind, at.resource.api_version)
        config = server_side_apply.parse(body, str(at.name), kind=kind[0], api_version=kind[1])
        live = self._store.get(stored(at.resource), at.space, str(at.name))
        if live is None and at.subresource:
            raise errors.not_found(at.resource, str(at.name))
        if at.subresource == "scale":
            config |= {"kind": at.resource.kind, "apiVersion": at.resource.api_version}
        done = server_side_apply.apply(
            at.resource,
            live or {},
            config,
            manager=options.manager,
            subresource=at.subresource,
            at=at_time,
            force=options.force,
        )
        if config["metadata"]["name"] != at.name:
            raise errors.other_name(config["metadata"]["name"], at.name)
        if live is None:
            return True, self.create(replace(at, name=None), done.obj, options, owners=done.entries)
        return False, self._write(at, live, lambda _: done.obj, options, owners=done.entries)

    def delete(self, at: Address, options: DeleteOptions) -> Object:
        """Delete one object; the answer is a Status, or the object when it is only marked or its kind does so."""
        old = self._present(at)
        left = self._deletion.delete(stored(at.resource), old, Writer(options.manager), options)
        metadata = left["metadata"]
        if metadata.get("deletionTimestamp") or at.resource.returns_deleted:
            return self._shown(at, left)
        details: Object = {"name": metadata["name"], "kind": at.resource.plural, "uid": metadata["uid"]}
        if at.resource.group:
            details["group"] = at.resource.group
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def evict(self, at: Address, body: Any, options: WriteOptions) -> Object:
        """POST to the eviction of a pod."""
        how = self._evictions.options(str(at.name), body, options)
        return self._evictions.evict(self._present(at), how)

    def _present(self, at: Address) -> Object:
        found = self._store.get(stored(at.resource), at.space, str(at.name))
        if found is None:
            raise errors.not_found(at.resource, str(at.name))
        return found

    def _shown(self, at: Address, obj: Object) -> Object:
        if at.subresource == "scale":
            return scale.as_scale(obj)
        return shown(at.resource, obj)

    def _write(
        self,
        at: Address,
        old: Object,
        change: Callable[[Object], Object],
        options: WriteOptions,
        owners: list[Object] | None = None,
    ) -> Object:
        new = change(self._shown(at, old))
        sent = (new.get("metadata") or {}).get("resourceVersion")
        if sent and sent != old["metadata"]["resourceVersion"]:
            raise errors.stale(at.resource, str(at.name))
        metadata = {**(new.get("metadata") or {}), "name": at.name}
        match at.subresource:
            case "scale":
                merged = scale.scaled(at.resource, old, new)
            case "status":
                kept = {**metadata, "labels": old["metadata"].get("labels")}
                if kept["labels"] is None:
                    del kept["labels"]
                merged = {**old, "metadata": kept, "status": new.get("status", {})}
            case _:
                new = events.to_core({**new, "metadata": metadata}) if at.resource is NEW_EVENTS else new
                merged = {**new, "metadata": metadata}
                if at.resource.status:
                    merged.pop("status", None)
                    if "status" in old:
                        merged["status"] = old["status"]
                merged = admission.with_defaults(at.resource, merged)
        admission.validate(at.resource, merged, old)
        if at.resource is CLAIMS and not at.subresource:
            check_expansion(self._store, merged, old)
        writer = Writer(options.manager, at.subresource)
        place = stored(at.resource)
        updated = self._store.update(place, old, merged, writer, dry_run=options.dry_run, owners=owners)
        if not options.dry_run:
            self._deletion.finish_if_free(place, updated, writer)
        return self._shown(at, updated)
