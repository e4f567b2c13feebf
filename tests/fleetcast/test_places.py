"""Results in an object store, here moto's: read back equal, byte for byte."""

import json
import urllib.request
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import LocalFileSystem

import simulator.places
from fleetcast.exits import Stop
from fleetcast.places import DONE, Out, deliver, digests, refuse_others
from simulator.places import fetch, names_in, open_place, send
from tests.fleetcast.test_commands import command, content, counting, no_page, planned, simulated

__all__ = ["command", "no_page"]  # fixtures


@pytest.fixture(scope="module")
def server():
    """host:port of a store with the bucket `ours`."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    bucket = urllib.request.Request(f"http://{host}:{port}/ours", method="PUT")
    urllib.request.urlopen(bucket).close()
    yield f"{host}:{port}"
    moto.stop()


@pytest.fixture
def store(server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server}")
    return server


def there(address, folder):
    """Every file at an address."""
    place = open_place(address)
    fetch(place, names_in(place), Path(folder))
    return content(folder)


def test_a_simulation_elsewhere_is_the_one_here(command, store, monkeypatch):
    here = simulated(command, "here")
    address = "s3://ours/some/simulation"
    assert simulated(command, address) == here
    assert there(address, "back") == content("here")
    again = counting(monkeypatch)
    code, printed, told = command("simulate", "tiny.yaml", "--replications", 3, "--out", address)
    assert (code, told) == (0, "") and not again
    assert printed.endswith(f"results: {address}\n")
    # The address may name the store instead of the environment.
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    named = f"{address}?endpoint_override={store}&scheme=http"
    sql = "SELECT count(*) AS n FROM requests"
    code, printed, _ = command("results", "query", named, sql, "-o", "json")
    assert json.loads(printed)[0]["n"] > 20
    assert command("results", "show", named)[0] == 0


def test_a_sweep_elsewhere_is_the_one_here(command, store, monkeypatch):
    address = "s3://ours/a/sweep"
    asked = ("sweep", "tiny.yaml", "--set", "fleet.replicas=2..3", "--replications", 2)
    here, elsewhere = (command(*asked, "-o", "json", "--out", out) for out in ("here", address))
    assert here[0] == elsewhere[0] == 0 and here[1] == elsewhere[1]
    found = there(address, "back")
    assert found == content("here") and "replications/cell=0002/part-0.parquet" in found
    again = counting(monkeypatch)
    assert command(*asked, "--out", address)[1].endswith(f"report: {address}/report.html\n")
    assert not again
    sql = "SELECT count(*) AS n FROM replications"
    answered = command("results", "query", address, sql, "-o", "json")
    assert json.loads(answered[1]) == [{"n": 4}], answered


def test_a_plan_elsewhere_is_the_one_here(command, no_page, store, monkeypatch):
    here = planned(command, "here")
    address = "s3://ours/plan"
    assert planned(command, address) == here
    assert there(address, "back") == content("here")
    monkeypatch.setattr("planner.plan.plan", None)
    assert planned(command, address) == here, "a finished one is shown again"
    assert command("diff", "here/plan.json", f"{address}/plan.json")[1] == "no difference\n"
    assert planned(command, address, "--keep", "none") == here
    assert planned(command, "here", "--keep", "none") == here
    assert "requests.parquet" not in names_in(open_place(address))
    Path("fewer").mkdir()
    assert there(address, "fewer") == content("here")


def test_a_page_is_drawn_where_the_plan_is(command, store, monkeypatch):
    planned_by = {"plan.json": '{"a": 1}', "manifest.json": '{"command": "plan"}'}
    Path("made").mkdir()
    for name, text in planned_by.items():
        Path("made", name).write_text(text)
    send(Path("made"), planned_by, open_place("s3://ours/page"))

    def draw(folder):
        (folder / "report.html").write_text("drawn")
        return folder / "report.html"

    monkeypatch.setattr("reports.page.write_report", draw)
    code, printed, _ = command("report", "s3://ours/page")
    assert (code, printed) == (0, "s3://ours/page/report.html\n")
    assert there("s3://ours/page", "back") == content("made") | {"report.html": b"drawn"}


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["simulate", "tiny.yaml", "--out", "s3://nobody/x"], 1,
         "--out s3://nobody/x: cannot be written: "),
        (["simulate", "tiny.yaml", "--out", "s3:///x"], 1, "Missing bucket name"),
        (["simulate", "tiny.yaml", "--out", "s3://ours/x?colour=red"], 1, "'colour'"),
        (["results", "show", "s3://ours/nothing"], 1, "s3://ours/nothing: there is nothing"),
        (["plan", "--check", "s3://ours/nothing/plan.json"], 1, "no plan.json"),
        (["report", "s3://ours/nothing"], 2, "s3://ours/nothing holds no finished results"),
        (["report", "nothing"], 2, "nothing: no such folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_one_message(command, store, arguments, code, message):
    got, printed, told = command(*arguments)
    assert (got, printed) == (code, "")
    assert message in told and told.startswith("Error: ") and len(told.splitlines()) == 1


def test_the_answer_is_the_last_file_to_come(command, store, monkeypatch):
    """Who is killed on the way leaves a place that does not say it is done."""
    sent = []

    def note(folder, names, place):
        sent.extend(names)
        send(folder, names, place)

    monkeypatch.setattr(simulator.places, "send", note)
    simulated(command, "s3://ours/order")
    assert sent[-1] == "simulation.json" and len(sent) == 7
    sent.clear()
    simulated(command, "s3://ours/order", "--seed", 5)
    assert sent[-1] == "simulation.json"


@pytest.mark.parametrize("own", DONE)
def test_a_folder_holds_the_results_of_one_command(tmp_path, own):
    """`report` would draw one of them with the manifest of the other."""
    out = Out(tmp_path, "out/chat")
    (tmp_path / own).touch()
    refuse_others(out, own)
    for other in DONE.keys() - {own}:
        with pytest.raises(Stop, match=f"out/chat holds {DONE[own]}; --out names another folder"):
            refuse_others(out, other)


def test_a_page_drawn_again_never_takes_the_answer_away(tmp_path, monkeypatch):
    """Were it killed between, a finished plan would be gone; other evidence makes it unfinished."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
        (folder / "plan.json").write_text("{}")
        (folder / "manifest.json").write_text('{"files": ["timeline.parquet"]}')
    removed = []
    monkeypatch.setattr(simulator.places, "remove", lambda names, _: removed.extend(names))
    place = simulator.places.Place("s3://ours", LocalFileSystem(), str(elsewhere))
    before = digests(here)
    (here / "report.html").write_text("drawn again")
    deliver(here, place, before)
    assert removed == [] and (elsewhere / "report.html").read_text() == "drawn again"
    (here / "timeline.parquet").write_text("other evidence")
    deliver(here, place, before)
    assert removed == ["plan.json"]
