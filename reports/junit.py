"""The check of a sweep as JUnit XML, which CI servers show cell by cell."""

from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reports.sweep_lines import broken_text
from reports.tables import percent

Data = dict[str, Any]


def junit_xml(data: Data) -> str:
    """A test case per cell (planner.sweep_check.as_data): a failure where it does not hold or
    cannot be, an error where that is undecided. Without times and hosts: same check, same bytes."""
    cells = data["cells"]
    verdicts = [cell["verdict"] for cell in cells]
    counts = {
        "tests": str(len(cells)),
        "failures": str(sum(verdict in ("does not hold", "impossible") for verdict in verdicts)),
        "errors": str(verdicts.count("undecided")),
    }
    root = Element("testsuites", {"name": "fleetcast sweep --check"} | counts)
    suite = SubElement(root, "testsuite", {"name": data["name"]} | counts)
    for cell in cells:
        name = ", ".join(f"{key}={value}" for key, value in cell["asked"].items())
        case = SubElement(suite, "testcase", {"classname": data["name"], "name": name})
        if cell["verdict"] != "holds":
            kind = "error" if cell["verdict"] == "undecided" else "failure"
            about = {"type": cell["verdict"], "message": message(cell)}
            SubElement(case, kind, about).text = "\n".join(details(cell))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def message(cell: Data) -> str:
    if cell["verdict"] == "impossible":
        return f"cannot be: {cell['why_not']}"
    goal = f"P(SLA) >= {percent(cell['probability'])}"
    return f"{goal}: {cell['verdict']}; {cell['failed']} of {cell['replications']} periods failed"


def details(cell: Data) -> list[str]:
    """What to know of a cell that does not hold, a fact per line."""
    if cell["verdict"] == "impossible":
        return [cell["why_not"]]
    low, high = cell["interval"]
    return [
        message(cell),
        f"P(SLA) in [{low:.3f}, {high:.3f}] at {percent(cell['confidence'])} confidence",
        *([broken_text(cell)] if broken_text(cell) else []),
        f"scenario {cell['scenario_hash'][:12]}",
    ]
