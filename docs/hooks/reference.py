"""mkdocs hook: pages about scenario files are written from the model and the catalogue while the
site is built."""

from reports.preset_table import presets_markdown
from scenarios.reference import reference_markdown

MARKS = {"<!-- reference -->": reference_markdown, "<!-- presets -->": presets_markdown}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put what is written in place of its mark."""
    for mark, write in MARKS.items():
        markdown = markdown.replace(mark, write()) if mark in markdown else markdown
    return markdown
