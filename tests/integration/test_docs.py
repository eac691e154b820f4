"""README and docs say what is: commands parse, the quickstart runs, links lead somewhere, the pages need no network."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from streamseg.cli.main import group

from .conftest import ROOT

README = ROOT / "README.md"
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "samples" / "README.md"]
PAGES = [README, *OTHERS, *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def command_lines(page: Path) -> Iterator[str]:
    """Every `streamseg ...` of a page: lines of code blocks, and spans in the text that have an argument."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if re.match(r"(    )?(\$ )?streamseg ", line):
            yield " ".join(shlex.split(line.removeprefix("    ").removeprefix("$ "), comments=True))
    for span in SPAN.findall(FENCE.sub("", text)):
        if re.match(r"streamseg \w", span):
            yield " ".join(span.split())


def parse(line: str) -> None:
    """Resolve the command of `line` and parse its options, without running it. Raises click.UsageError.

    A line that leaves words out ("streamseg export ...", "streamseg run") only has to name what is there.
    """
    words = shlex.split(os.path.expandvars(line))[1:]
    command: click.Command = group
    context = click.Context(group, info_name="streamseg")
    while isinstance(command, click.Group) and words and words[0] not in ("...", "-h", "--help", "--version"):
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command {name!r}")
        command, context = found, click.Context(found, parent=context, info_name=name)
    words = [word.removesuffix("...") for word in words if word != "..."]
    if isinstance(command, click.Group) or not words:
        return
    try:
        command.make_context(command.name, words)
    except click.exceptions.Exit:  # --help
        return


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_line_parses(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_DEBUG", "")
    for name, value in (("ID", "0"), ("COUNT", "4")):  # as in a task of a Slurm array
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    wrong = []
    for line in command_lines(page):
        try:
            parse(line)
        except click.UsageError as problem:
            wrong.append(f"{line}: {problem.format_message()}")
    assert not wrong, "\n".join(wrong)


def test_a_wrong_command_line_is_seen(tmp_path: Path) -> None:
    for line in ("streamseg runn video.mp4", "streamseg run video.mp4 --no-such-flag", "streamseg run V --save mp5"):
        with pytest.raises(click.UsageError):
            parse(line)
    page = tmp_path / "page.md"
    page.write_text("Type `streamseg doctor --json`.\n\n    streamseg run a \\\n        --k 3  # three\n")
    assert list(command_lines(page)) == ["streamseg run a --k 3", "streamseg doctor --json"]


def flags_of(command: click.Command) -> set[str]:
    """The flags of a command; of all its commands where it is a group."""
    context = click.Context(command)
    flags = {flag for param in command.get_params(context) for flag in [*param.opts, *param.secondary_opts]}
    if isinstance(command, click.Group):
        inner = [command.get_command(context, name) for name in command.list_commands(context)]
        flags = flags.union(*(flags_of(each) for each in inner if each is not None))
    return flags


def test_every_flag_that_is_named_exists() -> None:
    named = {flag for page in PAGES for flag in FLAG.findall(prose(page))}
    scripts = (ROOT / "tests" / "benchmarks").glob("*.py")
    assert named <= flags_of(group).union(*(FLAG.findall(path.read_text(encoding="utf-8")) for path in scripts))


def test_enough_command_lines_are_found() -> None:
    found = [line for page in PAGES for line in command_lines(page)]
    assert len(found) > 50
    assert {"run", "train", "export", "eval", "attention", "probe", "bench", "info", "doctor"} <= {
        line.split()[1] for line in found
    }


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_scripts_and_targets_that_are_named_exist(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    for script in re.findall(r"python (\S+\.py)\b", text):
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_of_the_project_that_are_named_exist(page: Path) -> None:
    for path in re.findall(r"`((?:streamseg|train|export|tests|docs|samples)/[a-z_./-]+)`", prose(page)):
        assert (ROOT / path).exists(), path


def test_modules_that_the_page_of_the_method_names_exist() -> None:
    table = (ROOT / "docs" / "method.md").read_text(encoding="utf-8").partition("## Where it is in the code")[2]
    modules = re.findall(r"`(\w+/[\w./]*)`", table.partition("\n## ")[0])
    assert len(modules) > 20
    assert [name for name in modules if not (ROOT / "streamseg" / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_words_are_the_fields_own(page: Path) -> None:
    private = r"loud(ness)?|quiet cells?|lookers?|lanes?|relief|vessels?|key frames?|carried frames?"
    assert not re.findall(rf"\b(?:{private})\b", page.read_text(encoding="utf-8"), re.IGNORECASE)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=named)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_readme_is_one_screen_and_a_half() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    rows = 0
    for line in lines:
        rows = rows + 1 if line.startswith("|") else 0
        assert rows <= 12, "a table of more than ten rows belongs into docs/"
    assert "samples/overview.jpg" in "\n".join(lines)


def test_python_blocks_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """README's and the API page's, as they stand, but with few frames and a small network input."""
    text = README.read_text(encoding="utf-8") + (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = [code for language, code in FENCE.findall(text) if language == "python"]
    assert len(blocks) >= 3
    code = re.sub(r"objects=True(, max_frames=\d+)?\)", "objects=True, max_frames=3, size=128)", "\n".join(blocks))
    script = tmp_path / "blocks.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_quickstart_runs(cli: Callable[..., Any], tmp_path: Path) -> None:
    """Its commands on the sample, as they stand; results go to the working folder."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    lines = [line for line in command_lines(ROOT / "docs" / "index.md") if "samples/" in line or "doctor" in line]
    assert len(lines) >= 3
    for line in lines:
        done = cli(*shlex.split(line)[1:], cwd=tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "first" / "overlay.mp4").stat().st_size > 1000
    assert len(list((tmp_path / "first" / "objects").glob("*.png"))) == 8


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built in strict mode: broken links, anchors and unknown names of the API are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_pages_load_nothing_from_the_network(site: Path) -> None:
    pages = sorted(site.glob("*.html"))
    assert len(pages) >= 13
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?([^\" >]+)", text)
        loaded += re.findall(r"<link\b[^>]*rel=\"?(?:stylesheet|preconnect|icon)\"?[^>]*href=\"?([^\" >]+)", text)
        loaded += re.findall(r"<link\b[^>]*href=\"?([^\" >]+)\"?[^>]*rel=\"?(?:stylesheet|preconnect|icon)", text)
        assert loaded
        assert not [address for address in loaded if "//" in address], page.name


def test_the_search_works_in_pages_that_are_opened_as_files(site: Path) -> None:
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = {")
    script = (site / "assets" / "iframe-worker.js").read_text(encoding="utf-8")
    assert 'location.protocol==="file:"&&(window.Worker=' in script


def test_the_tree_and_the_table_of_layers_are_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [re.findall(r"\w+", layer) for layer in contracts["contracts"][0]["layers"]]
    page = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    (tree,) = (code for _, code in FENCE.findall(page) if "cli[" in code)
    texts = dict(re.findall(r"(\w+)\[(.*?)\]", tree))
    arrows = dict(re.findall(r"(\w+)(?:\[.*?\])? --> (\w+)", tree))
    node, drawn = "cli", []
    while node:
        drawn.append(re.findall(r"\w+", texts.get(node, node).partition(":")[0]))
        node = arrows.get(node, "")
    assert [sorted(names) for names in drawn] == [sorted(names) for names in layers]
    rows = re.findall(r"^\| (`.*?) \|", page.partition("## The import contract")[2], re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(name for names in layers for name in names)


def test_diagrams_are_drawings(site: Path) -> None:
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count('<div class="diagram"><svg') == 2
    assert "mermaid\n" not in method
