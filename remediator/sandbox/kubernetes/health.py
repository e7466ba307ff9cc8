"""How the pods of each workload behave: the script that a test or the demo writes for the kubelets."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.resources import Object

HEALTHY = "healthy"
BEHAVIOURS = (
    "healthy",
    "slow",
    "never-ready",
    "crash-loop",
    "crash-until-restart",
    "oom-killed",
    "image-error",
    "fail",
    "succeed-after",
)
TIMED = ("slow", "fail", "succeed-after")
"""Those that may name seconds: `fail:2`."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Script:
    """`behaviour` holds for pods of the template `template`; pods of any other template behave as `on_restart` says.

    `template` None: the next template that is seen. `origin`: the annotations it was made from, if it was.
    """

    behaviour: str
    on_restart: str
    template: str | None
    origin: tuple[str | None, str | None] | None = None


class Health:
    """Scripts by (plural, namespace, name) of the workload. Those set here win over annotations of the pod template."""

    def __init__(self) -> None:
        self._scripts: dict[Key, Script] = {}
        self._templates: dict[Key, str] = {}
        self._annotated: dict[Key, str | None] = {}
        self._listeners: list[Callable[[Key], None]] = []

    def set(self, plural: str, namespace: str, name: str, behaviour: str, on_restart: str | None = None) -> None:
        """From now on pods of the present template behave so, those that run included.

        `on_restart`: what pods of any later template do; default the same, for "crash-until-restart" healthy.
        Raises ValueError for an unknown behaviour.
        """
        key = (plural, namespace, name)
        self._scripts[key] = _script(behaviour, on_restart, self._templates.get(key))
        for listener in self._listeners:
            listener(key)

    def forget(self, key: Key) -> None:
        """The workload is gone; one of the same name begins anew."""
        self._scripts.pop(key, None)
        self._templates.pop(key, None)
        self._annotated.pop(key, None)

    def listen(self, listener: Callable[[Key], None]) -> None:
        """Call `listener` with the workload whose script was set."""
        self._listeners.append(listener)

    def note_template(self, key: Key, template_hash: str, template: Object) -> None:
        """What a controller sees as the present template; its annotations make a script where none was set.

        Words that are not known are as good as none: whoever can write a template must not stop the cluster.
        """
        self._templates[key] = template_hash
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        origin = (_known(annotations.get(words.BEHAVIOUR)), _known(annotations.get(words.ON_RESTART)))
        self._annotated[key] = origin[0]
        script = self._scripts.get(key)
        if script is not None and script.template is None:
            script = self._scripts[key] = replace(script, template=template_hash)
        if origin[0] is None or (script is not None and script.origin in (None, origin)):
            return
        self._scripts[key] = replace(_script(origin[0], origin[1], template_hash), origin=origin)

    def behaviour(self, key: Key | None, template_hash: str, annotations: Object) -> str:
        """What a pod of this workload and template does. A word on the pod that its template has not is its own."""
        script = self._scripts.get(key) if key is not None else None
        own = _known(annotations.get(words.BEHAVIOUR))
        if script is None or (own is not None and key is not None and own != self._annotated.get(key)):
            return "crash-loop" if own == "crash-until-restart" else own or HEALTHY
        return script.behaviour if script.template in (None, template_hash) else script.on_restart


def _script(behaviour: str, on_restart: str | None, template: str | None) -> Script:
    for word in (behaviour, on_restart or behaviour):
        if _known(word) is None:
            raise ValueError(f"unknown behaviour {word!r}; use one of {', '.join(BEHAVIOURS)}")
    if behaviour == "crash-until-restart":
        return Script("crash-loop", on_restart or HEALTHY, template)
    return Script(behaviour, on_restart or behaviour, template)


def _known(text: str | None) -> str | None:
    """The text, if it is a behaviour."""
    if text is None:
        return None
    word, colon, seconds = text.partition(":")
    if colon and (word not in TIMED or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", seconds)):
        return None
    return text if word in BEHAVIOURS else None
