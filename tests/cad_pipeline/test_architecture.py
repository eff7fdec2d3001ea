"""What the house promises about itself, checked by a machine: arrows, weight, names, sizes, the wheel, the README."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOMES = {
    "cad_pipeline": ROOT / "cad_pipeline",
    "cad_renderers": ROOT / "renderers" / "cad_renderers",
    "cad_sandbox": ROOT / "sandbox" / "cad_sandbox",
}
MODULES = sorted(path for home in HOMES.values() for path in home.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = (
    "cadquery OCP trimesh vtk vtkmodules pyrender OpenGL torch transformers ray scipy numba shapely manifold3d PIL rich"
)
# put together here, so that this file does not hold what it looks for
FORBIDDEN = ("py" + "pi.org", "python" + "hosted", "/wo" + "rk/", "/ro" + "ot/", "/opt/" + "wheels", "index" + "-url")


def python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def loaded_by(statement: str, names: str) -> set[str]:
    """Say which of the named packages an import brings in."""
    return set(python(f"{statement}; import sys; print(*sorted(set({names.split()}) & set(sys.modules)))").split())


@pytest.mark.parametrize("module", ["cad_pipeline", "cad_sandbox", "cad_renderers", "cad_pipeline.cli.app"])
def test_importing_the_front_doors_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}", HEAVY) <= ({"PIL"} if module == "cad_renderers" else set())


def test_the_front_door_does_not_even_load_numpy() -> None:
    assert loaded_by("import cad_pipeline", "numpy typer") == set()
    assert loaded_by("from cad_pipeline import Mesh", "numpy typer cadquery") == {"numpy"}


def test_every_public_name_of_the_front_door_is_there() -> None:
    import cad_pipeline

    for name in cad_pipeline.__all__:
        assert getattr(cad_pipeline, name) is not None
    assert set(cad_pipeline.__all__) <= set(dir(cad_pipeline))
    with pytest.raises(AttributeError, match="no attribute 'reconstrct'"):
        cad_pipeline.reconstrct  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_holds_and_lists_its_public_names_in_order(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "expected a docstring that says what the module holds"
    listed = [node for node in tree.body if isinstance(node, ast.Assign) and names_of(node) == ["__all__"]]
    if not listed:
        public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert path.name == "__main__.py" or not [name for name in public if not name.startswith("_")]
        return
    names = ast.literal_eval(listed[0].value)
    assert names == sorted(set(names), key=rank)


@pytest.mark.parametrize("package", ["cad_pipeline", "cad_pipeline.mesh", "cad_pipeline.verify", *list(HOMES)[1:]])
def test_every_listed_name_is_there(package: str) -> None:
    code = f"import {package} as home; print([name for name in home.__all__ if getattr(home, name, None) is None])"
    assert python(code).strip() == "[]"


def names_of(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def rank(name: str) -> tuple[int, str]:
    """Order as the linter does: CONSTANTS, Classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name


def project_files() -> list[Path]:
    """List what belongs to the project: what git tracks or would."""
    run = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if run.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of the project's files")
    return [path for line in run.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in project_files() if path.suffix == ".py"
    }
    assert lengths
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > 400} == {}


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    found = []
    for path in project_files():
        data = path.read_bytes()
        if b"\0" in data[:8192] or path.name == "test_architecture.py":
            continue
        found += [f"{path.relative_to(ROOT)}: {word}" for word in FORBIDDEN if word.encode() in data]
    assert found == []


def test_file_names_in_the_tests_are_unique_and_folders_are_no_packages() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names)) and "__init__.py" not in names


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    paths = [str(folder), str(folder / "renderers"), str(folder / "sandbox")]
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize(
    ("module", "line", "told"),
    [
        ("", "", "0 broken"),
        ("sandbox/cad_sandbox/limits.py", "import cad_pipeline.values", "1 broken"),
        ("renderers/cad_renderers/views.py", "import cad_sandbox.limits", "1 broken"),
        ("cad_pipeline/values.py", "import cad_pipeline.pipeline", "1 broken"),
    ],
    ids=["as it is", "sandbox knows the pipeline", "sibling knows sibling", "values know the loop"],
)
def test_the_arrows_hold_and_the_linter_sees_a_wrong_one(tmp_path: Path, module: str, line: str, told: str) -> None:
    for home in HOMES.values():
        shutil.copytree(home, tmp_path / home.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    if module:
        with (tmp_path / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    run = lint(tmp_path)
    assert told in run.stdout, run.stdout + run.stderr
    assert (run.returncode == 0) is (not module)


def test_the_wheel_holds_the_three_packages_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    info = f"cad_pipeline-{PROJECT['project']['version']}.dist-info"
    assert {name.split("/")[0] for name in names} == {*HOMES, info}
    assert f"{info}/licenses/LICENSE" in names and not [name for name in names if name.endswith(".pyc")]
    for home, folder in HOMES.items():
        wanted = {f"{home}/{path.relative_to(folder)}" for path in folder.rglob("*.py")}
        assert wanted <= set(names)


def test_the_version_is_one() -> None:
    from cad_pipeline.version import VERSION

    assert PROJECT["project"]["version"] == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_pins_are_names_and_versions_and_cover_the_dependencies() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split("\n")
    assert [line for line in lines if line and not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    pinned = {normal(line.split("==")[0]) for line in lines if line}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {normal(re.split(r"[\[<>=; ]", each)[0]) for each in PROJECT["project"]["dependencies"] + extras["dev"]}
    assert wanted - pinned == set() and "torch==2.13.0" in lines


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_make_commands_of_the_readme_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    told = {line.split()[1] for line in readme_commands() if line.startswith("make ")}
    assert {"demo", "test"} <= told <= targets


def test_the_readme_uses_commands_and_options_that_exist() -> None:
    import typer

    from cad_pipeline.cli.app import app

    group = typer.main.get_command(app)
    lines = [line for line in readme_commands() if line.startswith("cad-pipeline ")]
    assert lines
    for line in lines:
        words = line.split(">")[0].split()
        command = group.commands[words[1]]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words[2:] if word.startswith("-")} <= known, line
