"""The page about presets names each, with figures and source."""

from reports.preset_table import HEADING, presets_markdown
from scenarios.catalogue import load_catalogue


def test_every_preset_has_a_row_and_a_section():
    text = presets_markdown()
    presets = load_catalogue().presets
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(presets)
    assert all(row.count("|") == len(HEADING) + 1 for row in rows)
    for name, preset in presets.items():
        assert f"### {name}\n" in text and preset.source in text
        assert all(remark in text for remark in preset.figures.values())
