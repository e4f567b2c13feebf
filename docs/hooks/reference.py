"""mkdocs hook: pages about commands and about scenario, plan and result files are written from the
commands, the models, the catalogue and the tables while the site is built."""

from docs.hooks.command_reference import commands_markdown, exits_markdown
from planner.plan_file import plan_schema
from reports.preset_table import presets_markdown
from reports.results_reference import results_markdown
from scenarios.reference import markdown_of, reference_markdown

MARKS = {
    "<!-- reference -->": reference_markdown,
    "<!-- presets -->": presets_markdown,
    "<!-- results -->": results_markdown,
    "<!-- commands -->": commands_markdown,
    "<!-- exit codes -->": exits_markdown,
    "<!-- plan -->": lambda: markdown_of("Plan", plan_schema()),
}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put what is written in place of its mark."""
    for mark, write in MARKS.items():
        markdown = markdown.replace(mark, write()) if mark in markdown else markdown
    return markdown
