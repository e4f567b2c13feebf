"""`fleetcast plan --check`, `fleetcast diff` and `fleetcast schema --plan`, end to end."""

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import reports.page
from fleetcast.__main__ import main
from fleetcast.exits import EXIT_DIFFERENT, EXIT_NO_LONGER
from planner.holding import FRESH
from planner.plan_file import plan_schema
from planner.search import Promise
from reports.results_reference import results_markdown
from tests.fleetcast.test_commands import TINY


def made(folder, *arguments):
    """plan.json of tiny.yaml in `folder`, as text."""
    (folder / "tiny.yaml").write_text(TINY)
    call = [
        "plan",
        str(folder / "tiny.yaml"),
        "--workers",
        "1",
        "-o",
        "json",
        "--no-explain",
        *arguments,
    ]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()):
        patch.setattr(reports.page, "write_report", lambda folder: folder / "report.html")
        patch.setattr(sys, "argv", ["fleetcast", *call, "--out", str(folder / "out")])
        with pytest.raises(SystemExit):
            main()
    return (folder / "out" / "plan.json").read_text()


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    """Of tiny.yaml, and of the same with half of its traffic."""
    half = ("--set", "traffic.0.arrivals.rate=2.5/s")
    return made(tmp_path_factory.mktemp("one")), made(tmp_path_factory.mktemp("half"), *half)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, plans):
    """Calls `fleetcast ARGUMENTS` beside plan.json, half.json and tiny.yaml; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    for name, text in zip(("plan.json", "half.json"), plans, strict=True):
        Path(name).write_text(text)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def checked(command, *arguments):
    return command("plan", "--check", "plan.json", "--workers", 1, *arguments)


def change(edit, name="plan.json"):
    data = json.loads(Path(name).read_text())
    edit(data)
    Path(name).write_text(json.dumps(data))


# --- plan --check --------------------------------------------------------------------------------


def test_a_plan_holds_on_fresh_periods_and_needs_no_other_file(command):
    Path("tiny.yaml").unlink()
    code, printed, errors = checked(command)
    assert code == 0 and errors.endswith("from out/.runs\n") and errors.count("\n") == 1
    assert printed.startswith("tiny: holds: ") and printed.count("\n") == 1
    assert "P(SLA) >= 0.7 at 95% confidence (" in printed
    assert "fresh periods" in printed
    assert sorted(path.name for path in Path().iterdir()) == ["half.json", "out", "plan.json"]
    assert [path.name for path in Path("out").iterdir()] == [".runs"], "runs alone stay"


def test_the_check_as_data_is_the_same_again_and_another_with_another_seed(command):
    code, printed, _ = checked(command, "-o", "json")
    data = json.loads(printed)
    assert (code, data["verdict"], data["seed"]) == (0, "holds", 2)
    assert data["first_replication"] == FRESH
    assert data["fleet"] == json.loads(Path("plan.json").read_text())["fleet"]
    assert checked(command, "-o", "json")[1] == printed
    other = json.loads(checked(command, "-o", "json", "--seed", 5)[1])
    assert other["seed"] == 5
    assert (other["replications"], other["failed"]) != (data["replications"], data["failed"])


def test_a_scenario_that_asks_more_no_longer_holds(command):
    code, printed, _ = checked(command, "tiny.yaml", "--set", "traffic.0.arrivals.rate=15/s")
    assert code == EXIT_NO_LONGER == 99
    assert printed.startswith("tiny: no longer holds: ")
    assert "P(SLA) >= 0.7 is rejected" in printed


def test_the_scenario_brings_the_question_and_the_plan_its_fleet(command):
    """The file's own fleet, of one replica with a slow queue, plays no part."""
    own = ("--set", "fleet.replicas=1", "--set", "fleet.queue_limit=1")
    other = ("--set", "name=other", *own, "--set", "replica.tensor_parallel=2")
    code, printed, _ = checked(command, "tiny.yaml", *other, "-o", "json")
    data = json.loads(printed)
    alone = json.loads(checked(command, "-o", "json")[1])
    assert (code, data["name"]) == (0, "other")
    assert data["fleet"] == alone["fleet"]
    assert (data["replications"], data["failed"]) == (alone["replications"], alone["failed"])


def test_a_choice_outside_of_fleet_and_replica_comes_with_the_plan(command):
    def choose(data):
        data["choice"] = {"latency.per_step": "0.01s", "failures.replica.mtbf": "2h"}
        data["lines"][0]["choice"] = data["choice"]
        data["scenario"]["latency"]["per_step"] = "0.01s"

    change(choose)
    faster = json.loads(checked(command, "tiny.yaml", "-o", "json")[1])
    assert faster["failed"] < json.loads(checked(command, "-o", "json", "--set",
                                                 "latency.per_step=40ms")[1])["failed"]  # fmt: skip


def test_a_change_of_the_plans_own_scenario(command):
    assert checked(command, "--set", "traffic.0.arrivals.rate=15/s")[0] == EXIT_NO_LONGER
    code, _, errors = checked(command, "--set", "traffic.0.arrivals.rate=15")
    assert code == 2
    assert "plan.json has 1 fault" in errors


def test_what_cannot_be_decided_within_the_budget_is_exit_code_4(command, monkeypatch):
    monkeypatch.setattr(Promise, "runs_max", property(lambda promise: 2))
    code, printed, _ = checked(command)
    assert code == 4
    assert printed.startswith("tiny: undecided within the budget: ")


def test_a_plan_that_certified_nothing_has_nothing_to_check(command):
    def nothing(data):
        data["fleet"] |= {"replicas": None, "gpus": None}
        data["certificate"]["status"] = "infeasible"

    change(nothing)
    code, printed, errors = checked(command)
    assert (code, printed) == (2, "")
    assert errors == (
        "Error: plan.json certified nothing (infeasible): there is no fleet to check\n"
    )


def test_a_plan_of_another_version_is_checked_with_a_remark(command):
    def age(data):
        data["versions"] = {"fleetcast": "0.0.1", "source": "fedcba9876543210"}
        del data["load"]

    change(age)
    code, printed, errors = checked(command)
    assert code == 0
    assert printed.startswith("tiny: holds: ")
    assert errors.startswith(
        "Note: plan.json is of another version (fleetcast 0.0.1, source fedcba9876543210)\n"
    )


@pytest.mark.parametrize(
    "damage, message",
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "got list, not a mapping of keys"),
        ("{}", "scenario: Field required"),
        (TINY, "not JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("name", ["check", "diff"])
def test_a_damaged_plan_is_one_message(command, name, damage, message):
    Path("plan.json").write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    code, printed, errors = (
        checked(command) if name == "check" else command("diff", "half.json", "plan.json")
    )
    assert (code, printed) == (2, "")
    assert errors.startswith("Error: plan.json ")
    assert message in errors


def test_a_scenario_in_a_plan_that_is_none_has_its_faults_told(command):
    def damage(data):
        data["scenario"]["horizon"] = 8
        data["scenario"]["replica"]["colour"] = "red"

    change(damage)
    code, _, errors = checked(command)
    assert code == 2
    assert "plan.json has 2 faults" in errors
    assert "horizon: got 8" in errors and "replica.colour: unknown key" in errors


def test_a_scenario_without_a_promise_cannot_be_checked(command):
    code, _, errors = checked(command, "tiny.yaml", "--set", "sla=")
    assert code == 2
    assert "sla: missing" in errors


# --- diff and schema -----------------------------------------------------------------------------


def test_diff_tells_what_changed_and_what_came_of_it(command):
    code, printed, errors = command("diff", "plan.json", "half.json")
    assert (code, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[:3] == ["question", "  ~ traffic.chat.arrivals.rate: 5/s -> 2.5/s", "answer"]
    assert lines[3].startswith("  ~ fleet.replicas: ")
    assert lines[-1].startswith("1 fact of the question changed; the answer: ")
    assert lines[-1].endswith(" USD/month")
    assert "\x1b" not in printed


def test_the_exit_code_of_diff_tells_whether_plans_differ(command):
    assert command("diff", "plan.json", "plan.json", "--exit-code")[:2] == (0, "no difference\n")
    assert command("diff", "plan.json", "half.json", "--exit-code")[0] == EXIT_DIFFERENT == 5


def test_diff_as_data(command):
    data = json.loads(command("diff", "plan.json", "half.json", "-o", "json")[1])
    assert list(data) == ["differ", "question", "answer", "figures", "summary"]
    assert data["question"] == [
        {"change": "changed", "key": "traffic.chat.arrivals.rate", "a": "5.0/s", "b": "2.5/s"}
    ]


def test_colour_is_for_terminals_that_want_it(command, monkeypatch):
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda _, color: color is False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[33m  ~ traffic" in command("diff", "plan.json", "half.json")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command("diff", "plan.json", "half.json")[1]


def test_another_version_is_a_remark_and_no_difference(command):
    change(lambda data: data["versions"].update(source="fedcba9876543210"))
    Path("same.json").write_text(Path("plan.json").read_text())
    change(lambda data: data["versions"].update(source="0123456789abcdef"))
    code, printed, errors = command("diff", "plan.json", "same.json", "--exit-code")
    assert (code, printed) == (0, "no difference\n")
    assert errors.startswith("Note: made by different versions: fleetcast ")


def test_the_schema_of_plans(command):
    code, printed, _ = command("schema", "--plan")
    assert code == 0
    assert json.loads(printed) == plan_schema()
    assert json.loads(command("schema")[1])["title"] == "Scenario"


def test_the_schema_of_results(command):
    code, printed, _ = command("schema", "--results")
    assert code == 0
    columns = json.loads(printed)["tables"]["latencies"]["columns"]
    assert [column["name"] for column in columns] == [
        "replication", "metric", "group", "time_s", "count",
    ]  # fmt: skip
    for name in json.loads(printed)["tables"]:
        assert f"## `{name}.parquet`: one row per " in results_markdown()
