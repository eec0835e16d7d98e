"""Make the links of README.md absolute, for a package index, which has no files beside it.

    python docs/absolute_links.py https://github.com/OWNER/NAME v1.2.3

rewrites README.md in place: pages go to ``URL/blob/TAG/…``, pictures to ``URL/raw/TAG/…``. The
workflow that publishes a version runs it before it builds; the repository keeps relative links,
since only a publisher knows where it lies.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
LINK = re.compile(r"(!?)(\[[^\[\]]*\])\((?!\w+:|#)([^)\s]+)\)")


def absolute(text: str, url: str, tag: str) -> str:
    """Return a text of the repository's root with its relative links under a URL."""

    def changed(link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        return f"{mark}{words}({url.rstrip('/')}/{'raw' if mark else 'blob'}/{tag}/{target})"

    return LINK.sub(changed, text)


if __name__ == "__main__":
    README.write_text(absolute(README.read_text(encoding="utf-8"), *sys.argv[1:3]), "utf-8")
