"""Values filled from an alert's labels: ``{{ labels.namespace }}``, ``{{ label("exported_pod", "pod") }}``.

Jinja2's sandboxed environment reads the text; what it may say is so little that this file evaluates it itself. Nothing of Jinja2
runs over a label's value, so no value can be rendered twice, and a label named ``items`` is a label, not a method.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

ACCEPTED = (
    '{{ labels.x }}, {{ labels["x y"] }}, {{ label("first", "second") }}, {{ vars.x }}, also with | lower or | trim'
)

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_FILTERS: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "trim": str.strip}


class TemplateError(ValueError):
    """A template cannot be read (at load), or a label or variable that it needs is missing (when filled)."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between one pair of double braces."""

    labels: tuple[str, ...]
    """The first of these that is present and not empty is taken. Empty when a variable is meant."""
    variable: str | None
    filters: tuple[str, ...]

    def evaluate(self, labels: Mapping[str, str], variables: Mapping[str, Any]) -> str:
        """The value as text.

        Raises:
            TemplateError: no such label or variable; an empty label counts as absent, as it does in Prometheus.
        """
        if self.variable is not None:
            if self.variable not in variables:
                raise TemplateError(f"vars has no {self.variable!r}; defined: {', '.join(sorted(variables)) or 'none'}")
            value = str(variables[self.variable])
        else:
            present = next((labels[name] for name in self.labels if labels.get(name)), None)
            if present is None:
                names = " or ".join(repr(name) for name in self.labels)
                raise TemplateError(f"the alert has no label {names}")
            value = present
        for name in self.filters:
            value = _FILTERS[name](value)
        return value


@dataclass(frozen=True, slots=True)
class Template:
    """A text with expressions in it, read once when the playbook is loaded."""

    source: str
    parts: tuple[str | Expression, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template.

        Raises:
            TemplateError: a syntax error, or anything beyond the accepted expressions.
        """
        try:
            tree = _ENVIRONMENT.parse(text)
        except TemplateSyntaxError as error:
            raise TemplateError(f"template {text[:80]!r}: {error.message}; accepted: {ACCEPTED}") from None
        except RecursionError:
            raise TemplateError("the template is nested too deeply") from None
        parts: list[str | Expression] = []
        for statement in tree.body:
            if not isinstance(statement, nodes.Output):
                raise _refused(text)
            parts.extend(
                node.data if isinstance(node, nodes.TemplateData) else _expression(node, text)
                for node in statement.nodes
            )
        return cls(text, tuple(parts))

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression, in the order of the text."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    @property
    def label_names(self) -> frozenset[str]:
        """Every label that the template may read."""
        return frozenset(name for expression in self.expressions for name in expression.labels)

    @property
    def copies_a_label(self) -> bool:
        """Is what it gives always the whole value of some label, as it is?"""
        return len(self.parts) == len(self.expressions) == 1 and all(
            one.labels and not one.filters for one in self.expressions
        )

    @property
    def variable_names(self) -> frozenset[str]:
        """Every variable that the template reads."""
        return frozenset(e.variable for e in self.expressions if e.variable is not None)

    def render(self, *, labels: Mapping[str, str], vars: Mapping[str, Any]) -> str:
        """Fill the template once.

        Raises:
            TemplateError: names the label or variable that is missing.
        """
        return "".join(part if isinstance(part, str) else part.evaluate(labels, vars) for part in self.parts)


def _refused(text: str) -> TemplateError:
    return TemplateError(f"template {text[:80]!r} uses more than is allowed; accepted: {ACCEPTED}")


def _expression(node: nodes.Node, text: str) -> Expression:
    match node:
        case nodes.Filter(node=nodes.Node() as inner, name=name, args=[], kwargs=[], dyn_args=None, dyn_kwargs=None):
            if name not in _FILTERS:
                raise TemplateError(f"template {text[:80]!r}: no filter {name!r}; accepted: {', '.join(_FILTERS)}")
            expression = _expression(inner, text)
            return Expression(expression.labels, expression.variable, (*expression.filters, name))
        case nodes.Getattr(node=nodes.Name(name="labels"), attr=str(name)):
            return Expression((name,), None, ())
        case nodes.Getitem(node=nodes.Name(name="labels"), arg=nodes.Const(value=str(name))):
            return Expression((name,), None, ())
        case nodes.Getattr(node=nodes.Name(name="vars"), attr=str(name)):
            return Expression((), name, ())
        case nodes.Getitem(node=nodes.Name(name="vars"), arg=nodes.Const(value=str(name))):
            return Expression((), name, ())
        case nodes.Call(node=nodes.Name(name="label"), args=[_, *_] as args, kwargs=[], dyn_args=None, dyn_kwargs=None):
            names = tuple(arg.value for arg in args if isinstance(arg, nodes.Const) and isinstance(arg.value, str))
            if len(names) == len(args):
                return Expression(names, None, ())
    raise _refused(text)
