"""The documents' code runs as written, and prints what they say it prints."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "README.ko.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TRANSLATIONS = {  # each with its original
    "README.ko.md": "README.md",
    **{
        f"docs/ko/{path.name}": f"docs/tutorial/{path.name}"
        for path in sorted((ROOT / "docs" / "ko").glob("*.md"))
    },
}
NEEDS = {"docs/interop.md": ("torch", "onnx", "onnxruntime")}  # packages that may be missing
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
QUOTED = re.compile(r"^```\w+ ([\w./]+)\n(.*?)^```$", re.S | re.M)  # from a file, not to be run


def blocks(path: Path) -> list[tuple[str, str]]:
    """(language, content) of each fenced block in order, but of what is quoted from a file."""
    return FENCED.findall(QUOTED.sub("", path.read_text(encoding="utf-8")))


def without_comments(language: str, content: str) -> str:
    """A block as it must be in every language: comments may be translated."""
    return ast.unparse(ast.parse(content)) if language == "python" else content


def commands(path: Path) -> list[str]:
    """The indented lines without comments: what to type, and sums by hand."""
    prose = FENCED.sub("", path.read_text(encoding="utf-8"))
    return [re.sub(r"\s+#.*", "", line) for line in re.findall(r"^ {4}.*", prose, re.M)]


def headings(path: Path) -> list[str]:
    """The `#` signs of each heading in order."""
    return re.findall(r"^#+(?= )", FENCED.sub("", path.read_text(encoding="utf-8")), re.M)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


SEARCHING = {"docs/sklearn.md"}
"""Documents with searches over settings, which start processes."""


def marked(path: Path) -> object:
    """A document for a test of its code; what needs PyTorch runs with the comparisons with it."""
    marks = [pytest.mark.torch] if "torch" in NEEDS.get(named(path), ()) else []
    marks += [pytest.mark.long] if named(path) in SEARCHING else []
    return pytest.param(path, id=named(path), marks=marks)


@pytest.mark.parametrize("path", [marked(p) for p in DOCUMENTS if named(p) not in TRANSLATIONS])
def test_code_runs_and_prints_what_is_shown(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """With --update-golden, what is shown is rewritten to what is printed.

    A translation has the code and the output of its original, by a test below.
    """
    for package in NEEDS.get(named(path), ()):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    namespace: dict[str, object] = {}
    printed = ""
    for language, content in blocks(path):
        if language == "python":
            captured = io.StringIO()
            with contextlib.redirect_stdout(captured), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(content, str(path), "exec"), namespace)
            printed = captured.getvalue()
        elif language == "text" and printed:
            if request.config.getoption("--update-golden"):
                document = path.read_text(encoding="utf-8")
                path.write_text(document.replace(content, printed.strip("\n") + "\n", 1))
            else:
                assert content.strip() == printed.strip()
            printed = ""


def stands_in(quoted: str, file: str) -> bool:
    """Whether lines stand in a file as they are, whatever they are indented by there."""
    wanted = textwrap.dedent(quoted).splitlines()
    lines = file.splitlines()
    return any(
        textwrap.dedent("\n".join(lines[at : at + len(wanted)])).splitlines() == wanted
        for at in range(len(lines))
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_what_is_quoted_stands_in_its_file(path: Path) -> None:
    for file, content in QUOTED.findall(path.read_text(encoding="utf-8")):
        code = (ROOT / "src" / "gradtrail" / file).read_text(encoding="utf-8")
        assert stands_in(content, code), f"{file} has no longer\n{content}"


def test_a_quotation_that_has_changed_is_seen() -> None:
    code = "def f(x):\n    y = x\n    return y\n"
    assert stands_in("y = x\nreturn y\n", code)
    assert not stands_in("y = x\nreturn x\n", code)
    internals = (ROOT / "docs" / "internals.md").read_text(encoding="utf-8")
    assert QUOTED.findall(internals)


def test_documents_with_needs_are_there() -> None:
    assert NEEDS.keys() <= {named(path) for path in DOCUMENTS}


def test_links_between_documents_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize(("translation", "original"), TRANSLATIONS.items())
def test_a_translation_keeps_in_step_with_its_original(translation: str, original: str) -> None:
    ours, theirs = ROOT / translation, ROOT / original
    assert [
        (language, without_comments(language, content)) for language, content in blocks(ours)
    ] == [(language, without_comments(language, content)) for language, content in blocks(theirs)]
    assert commands(ours) == commands(theirs)
    assert headings(ours) == headings(theirs)


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_is_short(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) < 120


def test_stage_readmes_are_short() -> None:
    for path in (ROOT / "src").rglob("README.md"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path
