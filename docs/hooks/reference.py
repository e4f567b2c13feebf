"""mkdocs hook: the scenario reference is written from the model while the site is built."""

from scenarios.reference import reference_markdown

MARK = "<!-- reference -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the reference in place of its mark."""
    return markdown.replace(MARK, reference_markdown()) if MARK in markdown else markdown
