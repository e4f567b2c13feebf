"""Plans whose periods were simulated apart: the same bytes, and little left to simulate."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import reports.page
import simulator.monte_carlo
from fleetcast.__main__ import main
from simulator.store import code_digest
from tests.fleetcast.test_warm import TINY, content

STEADY = TINY.replace("kind: poisson", "kind: constant").replace(
    "kind: lognormal, median: 8, p95: 20, max: 30", "kind: constant, tokens: 9"
)
"""Nothing depends on luck but rare failures."""
CHOICES = "plan={replicas: 1..8, choices: {replica.engine.max_num_seqs: [1, 2]}}"


class Killed(BaseException):
    """Stands for kill -9 in this process."""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast ARGUMENTS` in an empty folder with the scenarios; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reports.page, "write_report", lambda folder: folder / "report.html")
    Path("tiny.yaml").write_text(TINY)
    Path("steady.yaml").write_text(STEADY)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def fleetcast(command):
    """The same for calls that work: what is printed, and how many periods were simulated."""

    def call(*arguments):
        code, printed, errors = command(*arguments)
        assert code == 0, errors
        told = re.search(r"(\d[\d,]*) simulated", errors)
        return printed, told and int(told[1].replace(",", ""))

    return call


def shards(fleetcast, file, of, *arguments, runs="shard"):
    """Simulates them all, each with a store of its own; these, and how many periods each took."""
    counts = []
    for number in range(1, of + 1):
        more = ("--shard", f"{number}/{of}", "--runs", f"{runs}-{number}", "--workers", 1)
        counts.append(fleetcast("plan", file, *more, *arguments)[1])
    return [f"{runs}-{number}" for number in range(1, of + 1)], counts


def planned(fleetcast, file, out, runs, *arguments):
    """The files of a plan, and how many periods it simulated."""
    options = ("--out", out, "--runs", runs, "--workers", 1, *arguments)
    _, simulated = fleetcast("plan", file, *options)
    return content(Path(out)), simulated


def test_three_shards_leave_almost_nothing_and_change_nothing(fleetcast):
    """Nor does it when one of them is missing."""
    cold, alone = planned(fleetcast, "steady.yaml", "cold", "alone")
    stores, counts = shards(fleetcast, "steady.yaml", 3)
    assert max(counts) < alone / 2
    printed, _ = fleetcast("merge", "all", *stores)
    assert re.fullmatch(
        r"shard-1: (\d+) periods, \1 new\n"
        r"shard-2: \d+ periods, \d+ new\nshard-3: \d+ periods, \d+ new\nall: \d+ new\n",
        printed,
    )
    warm, missing = planned(fleetcast, "steady.yaml", "warm", "all")
    assert warm == cold
    assert missing < alone / 20
    fleetcast("merge", "two", "shard-1", "shard-3")
    warm, missing = planned(fleetcast, "steady.yaml", "without", "two")
    assert warm == cold
    assert 0 < missing < alone / 2


def test_shards_of_a_plan_with_a_choice(fleetcast):
    changes = ("--set", CHOICES)
    cold, alone = planned(fleetcast, "steady.yaml", "cold", "alone", *changes)
    assert len(json.loads(cold["plan.json"])["lines"]) == 2
    stores, _ = shards(fleetcast, "steady.yaml", 2, *changes)
    fleetcast("merge", "all", *stores)
    warm, missing = planned(fleetcast, "steady.yaml", "warm", "all", *changes)
    assert warm == cold
    assert missing < alone / 20


@pytest.mark.slow
def test_where_luck_decides_each_round_leaves_less(fleetcast):
    """Sizes that inherit nothing. From the merged store shards know more."""
    changes = ("--set", "fleet.router=round-robin")
    cold, alone = planned(fleetcast, "tiny.yaml", "cold", "alone", *changes)
    missing = [alone]
    for runs in ("first", "second"):
        stores, _ = shards(fleetcast, "tiny.yaml", 3, *changes, runs=runs)
        fleetcast("merge", "all", *stores)
        shutil.copytree("all", f"{runs}-all")
        warm, left = planned(fleetcast, "tiny.yaml", f"{runs}-out", f"{runs}-all", *changes)
        assert warm == cold
        missing.append(left)
        for number in (1, 2, 3):
            shutil.copytree("all", f"second-{number}", dirs_exist_ok=True)
    assert missing[2] < missing[1] < alone
    assert missing[2] < alone / 5


def test_a_shard_that_was_killed_goes_on(fleetcast, monkeypatch):
    def shard(runs):
        arguments = ("--shard", "1/3", "--workers", 1, "--runs", runs)
        return fleetcast("plan", "steady.yaml", *arguments)

    told, whole = shard("whole")
    simulate, calls = simulator.monte_carlo.simulate, []

    def killed_at_the_fiftieth(*arguments):
        calls.append(arguments)
        if len(calls) == 50:
            raise Killed
        return simulate(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(simulator.monte_carlo, "simulate", killed_at_the_fiftieth)
        shard("killed")
    assert shard("killed") == (told, whole - 49)
    assert everything("killed") == everything("whole")


def test_a_shard_tells_what_it_did_and_plans_nothing(fleetcast):
    told, _ = fleetcast("plan", "steady.yaml", "--shard", "2/3", "--workers", 1)
    numbers = re.fullmatch(
        r"tiny, shard 2 of 3: (\d+) periods of screening, (\d+) of its own; (\d+) left to others\n",
        told,
    ).groups()
    assert not Path("out/tiny").exists()
    text, simulated = fleetcast("plan", "steady.yaml", "--shard", "2/3", "-o", "json")
    assert simulated == 0
    data = json.loads(text)
    names = ("screening", "own", "others_missing")
    assert [data[name] for name in names] == [int(number) for number in numbers]
    assert (data["shard"], data["shards"], data["others_known"]) == (2, 3, 0)


def test_merge_refuses_everything_or_nothing(command):
    store("good", b"run")
    Path("other").mkdir()
    Path("other/file").write_text("")
    code, printed, errors = command("merge", "all", "good", "other", ".")
    assert (code, printed) == (2, "")
    assert errors == (
        "Error: other: no folder of runs, as --runs names them\n"
        ".: no folder of runs, as --runs names them\n"
    )
    assert not Path("all").exists()


def test_runs_that_differ_are_exit_code_1(command):
    one, other = store("one", b"run"), store("other", b"another")
    assert command("merge", "all", "one") == (
        0, "one: 1 periods, 1 new\nall: 1 new\n", "",
    )  # fmt: skip
    code, _, errors = command("merge", "all", "one", "other")
    assert code == 1
    assert errors.startswith(f"Error: {other} and all/") and "another kind of CPU" in errors
    assert everything("all") == {one.relative_to("one"): b"run"}


def store(folder, run):
    """The only run in a store of that name."""
    path = Path(folder, code_digest(), "0" * 32, "0001-0000001.parquet")
    path.parent.mkdir(parents=True)
    path.write_bytes(run)
    return path


def everything(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}
