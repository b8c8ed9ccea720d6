"""A hook of MkDocs (`hooks:` in mkdocs.yml): adds the pages that are generated from code, and those whose text lives outside docs/."""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tools.reference import pages

ROOT = Path(__file__).parent.parent

# Page of the site -> file of the repository. A link in one of them to another file must lead to a page.
OUTSIDE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "results/questions.md": "studies/questions/README.md",
    "results/literature.md": "studies/literature/README.md",
}
_LINK = re.compile(r"(?<=\]\()([^)#:]+)((?:#[^)]*)?)(?=\))")  # a relative path, and its fragment


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those of docs/."""
    texts = pages() | {page: linked(page, source) for page, source in OUTSIDE.items()}
    for page, text in texts.items():
        files.append(File.generated(config, page, content=text))
    return files


def linked(page: str, source: str) -> str:
    """Return the text of a file of the repository with its links as they are on the site. Raises ValueError for a link to a file without a page."""
    page_of = {path: other for other, path in OUTSIDE.items()}

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        there = page_of.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if there is None or not (ROOT / target).exists():
            raise ValueError(f"{source}: a link must lead to a page of the site; given {link[1]}")
        return os.path.relpath(there, posixpath.dirname(page) or ".") + link[2]

    return _LINK.sub(moved, (ROOT / source).read_text())
