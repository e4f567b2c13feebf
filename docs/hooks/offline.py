"""mkdocs hook: a page that would fetch a script, a style, a font or a picture from elsewhere is a
warning, since the site has to work where there is no network."""

import logging
import re
from typing import Any

FETCHED = re.compile(
    r"""<(?:script|img|iframe)\b[^>]*\ssrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b(?=[^>]*rel=["']?(?:stylesheet|icon|preload|preconnect))[^>]*href=["']?(?:https?:)?//[^>]*>"""
)


def on_post_page(output: str, page: Any, **_: object) -> None:
    """Look at the HTML of a page as it will be served."""
    for tag in FETCHED.findall(output):
        logging.getLogger("mkdocs.hooks.offline").warning(f"{page.file.src_uri} fetches {tag}")
