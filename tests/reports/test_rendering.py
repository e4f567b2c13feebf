"""Pages and their pictures on disk."""

from reports.rendering import remove_stale


def test_pictures_of_the_earlier_page_go_and_nobody_elses(tmp_path):
    """A folder may hold anybody's pictures: --out may be one of slides."""
    for name in ("p_sla.png", "p_sla.svg", "tornado.png", "tornado.svg", "holiday.png", "logo.svg"):
        (tmp_path / name).touch()
    page = tmp_path / "report.html"
    remove_stale(page, {"p_sla"})
    assert (tmp_path / "tornado.png").exists(), "there is no page, so that it may be anybody's"
    page.write_text('<div class="plot" data-panel="p_sla"></div><div data-panel="tornado"></div>')
    remove_stale(page, {"p_sla"})
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["holiday.png", "logo.svg", "p_sla.png", "p_sla.svg", "report.html"]
