"""Every ```python block of the README and the docs runs, and every relative link leads somewhere.

The blocks of one page share a namespace, as a reader who types them in order would have it. They run as a
script in an empty folder, a process a page. A block that is not meant to run is marked ```text.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "docs" / "api"
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)[^`]*$")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md")
    for page in ROOT.glob(pattern)
    if GENERATED not in page.parents
)


def script_of(text):
    """Return the python blocks of a page as one script in which every line keeps its line number."""
    lines, language, indent, block = [], None, "", []
    for line in text.splitlines():
        fence = FENCE.match(line)
        if fence and language is None:
            language, indent, block = fence["language"], fence["indent"], []
        elif fence and not fence["language"]:
            if language == "python" and block:
                lines[len(lines) - len(block) :] = textwrap.dedent("\n".join(block)).split("\n")
            language = None
        elif language is not None:
            block.append(line.removeprefix(indent))
            lines.append("")
            continue
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if script_of(p.read_text()).strip()], ids=name_of)
def test_the_code_of_a_page_runs(page, tmp_path):
    script = tmp_path / f"{page.stem}.md.py"  # a traceback then names the page, with the page's line numbers
    script.write_text(script_of(page.read_text()))
    command = [sys.executable, script.name]
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{name_of(page)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page):
    targets = [unquote(link["target"].split("#")[0]) for link in LINK.finditer(page.read_text())]
    local = [page.parent / t for t in targets if t and not t.startswith(("http://", "https://", "mailto:"))]
    broken = [str(t) for t in local if not t.exists() and not t.resolve().is_relative_to(GENERATED)]
    assert not broken, f"{name_of(page)}: no such file: {', '.join(broken)}"


def test_blocks_keep_their_lines_and_lose_their_indent():
    numbered = "1. A step:\n\n   ```python\n   y = x\n   ```\n"
    page = f"# Title\n\n```python\nx = 1\n```\n\n{numbered}\n```bash\nmake\n```\n"
    lines = script_of(page).splitlines()
    assert (lines[3], lines[9]) == ("x = 1", "y = x")
    assert "make" not in script_of(page)


def test_there_are_pages():
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md"} <= {name_of(page) for page in PAGES}
