import pytest

from remediator.playbooks.template import Template, TemplateError

LABELS = {
    "namespace": "shop",
    "foo bar": "x",
    "empty": "",
    "items": "a label",
    "exported_pod": "P ",
    "evil": "{{ labels.x }}",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("{{ labels.namespace }}", "shop"),
        ('a-{{ labels["foo bar"] }}-b', "a-x-b"),
        ('{{ label("missing", "empty", "namespace") }}', "shop"),
        ("{{ vars.size }}", "3"),
        ("{{ labels.exported_pod | trim | lower }}", "p"),
        ("{{ labels.items }}", "a label"),
        ("{{ labels.evil }}", "{{ labels.x }}"),
    ],
)
def test_a_template_is_filled_once(text: str, filled: str) -> None:
    assert Template.parse(text).render(labels=LABELS, vars={"size": 3}) == filled


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("{{ labels.gone }}", "'gone'"),
        ("{{ labels.empty }}", "'empty'"),
        ('{{ label("a", "b") }}', "'a' or 'b'"),
        ("{{ vars.gone }}", "'gone'; defined: size"),
    ],
)
def test_what_is_missing_is_named(text: str, missing: str) -> None:
    with pytest.raises(TemplateError, match=missing):
        Template.parse(text).render(labels=LABELS, vars={"size": 3})


@pytest.mark.parametrize(
    "text",
    [
        "{{ labels.x.y }}",
        "{{ labels }}",
        "{{ annotations.x }}",
        "{{ x }}",
        "{{ 'text' }}",
        "{{ labels.x ~ labels.y }}",
        "{{ labels.x() }}",
        "{{ labels.x | default('a') }}",
        "{{ labels.x | lower('a') }}",
        "{{ label() }}",
        "{{ label(labels.x) }}",
        "{{ label('a', default='b') }}",
        "{{ labels[0] }}",
        "{{ labels.__class__.__mro__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% for a in labels %}{% endfor %}",
        "{% set x = 1 %}",
        "{% include 'x' %}",
        "{{ labels.x",
        "{{ }}",
        "{{ labels.x if labels.y }}",
    ],
)
def test_everything_else_is_refused_when_loaded(text: str) -> None:
    with pytest.raises(TemplateError, match="accepted"):
        Template.parse(text)


def test_an_unknown_filter_is_named_with_those_there_are() -> None:
    with pytest.raises(TemplateError, match="no filter 'upper'; accepted: lower, trim"):
        Template.parse("{{ labels.x | upper }}")


def test_a_dunder_label_is_only_a_label() -> None:
    assert Template.parse("{{ labels.__class__ }}").render(labels={"__class__": "x"}, vars={}) == "x"
    with pytest.raises(TemplateError, match="no label"):
        Template.parse("{{ labels.__class__ }}").render(labels={}, vars={})


def test_a_template_knows_what_it_reads() -> None:
    template = Template.parse('{{ label("a", "b") }}-{{ labels.c }}-{{ vars.d }}')
    assert template.label_names == {"a", "b", "c"}
    assert template.variable_names == {"d"}
