"""Stores united: nothing lost, nothing changed, nothing that is no run."""

import pytest

import simulator.store
from simulator.merging import Merged, NoStore, RunsDiffer, check_store, merge
from simulator.monte_carlo import Trial
from simulator.store import Store
from tests.simulator.test_runs import runs_in


@pytest.fixture
def stores(tmp_path):
    """Two that have one period of three in common; one of the others stopped early."""
    for name, trials in (("a", [Trial(2, 0), Trial(2, 1)]), ("b", [Trial(2, 1), Trial(3, 5)])):
        runs = runs_in(tmp_path / name)
        for trial in trials:
            runs(trial)
    return tmp_path


def files(folder):
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items()}


def test_all_is_there_once_and_again_nothing_is_new(stores):
    assert merge(stores / "a", stores / "all") == Merged(2, 2)
    assert merge(stores / "b", stores / "all") == Merged(2, 1)
    assert files(stores / "all") == files(stores / "a") | files(stores / "b")
    assert merge(stores / "b", stores / "all") == Merged(2, 0)
    assert merge(stores / "all", stores / "all") == Merged(3, 0)
    runs = runs_in(stores / "all")
    runs(Trial(2, 0)), runs(Trial(3, 5))
    assert runs.store.account.startswith("2 periods: 0 simulated, 2 from ")


def test_only_whole_files_of_runs_are_copied(stores):
    folder = runs_in(stores / "a").folder
    (folder / "0002-0000007.parquet.host-1-2.tmp").write_bytes(b"PA")
    (folder / "notes.txt").write_text("ours")
    (stores / "a" / "notes.txt").write_text("ours")
    check_store(stores / "a")
    assert merge(stores / "a", stores / "all") == Merged(2, 2)
    assert not [name for name in files(stores / "all") if name.endswith(("txt", "tmp"))]


def test_a_merge_that_is_killed_goes_on(stores, monkeypatch):
    write = simulator.store.write_new

    def killed_at_the_third(path, content):
        if len(files(stores / "all")) == 2:
            path.write_bytes(content[:10])
            raise KeyboardInterrupt
        write(path, content)

    (stores / "all").mkdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(simulator.store, "write_new", killed_at_the_third)
        merge(stores / "a", stores / "all")
    left = [name for name in files(stores / "all") if not name.endswith(".tmp")]
    assert len(left) == 2 and not any(name.endswith(".json") for name in left)
    merge(stores / "a", stores / "all")
    found = {name: data for name, data in files(stores / "all").items() if name[-4:] != ".tmp"}
    assert found == files(stores / "a")


def test_runs_that_differ_are_told_and_left_alone(stores):
    path = next((stores / "a").rglob("0002-0000001.parquet"))
    path.write_bytes(b"damaged")
    merge(stores / "a", stores / "all")
    with pytest.raises(RunsDiffer, match=r"0002-0000001\.parquet .* another kind of CPU"):
        merge(stores / "b", stores / "all")
    assert (stores / "all" / path.relative_to(stores / "a")).read_bytes() == b"damaged"


def test_an_empty_folder_is_a_store_and_another_is_not(tmp_path):
    check_store(tmp_path)
    assert merge(tmp_path, tmp_path / "all") == Merged(0, 0)
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(NoStore, match=r": no folder of runs, as --runs names them$"):
        check_store(tmp_path)


def test_runs_of_another_version_are_refused(stores, monkeypatch):
    (stores / "a" / "0123456789abcdef").mkdir()
    check_store(stores / "a")
    monkeypatch.setattr("simulator.merging.code_digest", lambda: "fedcba9876543210")
    with pytest.raises(NoStore, match="another version of fleetcast, Python or a library"):
        check_store(stores / "b")


def test_merged_runs_count_as_used_today(stores):
    merge(stores / "a", stores / "all")
    folder = runs_in(stores / "all").folder
    simulator.store.os.utime(folder, (0, 0))
    merge(stores / "a", stores / "all")
    assert folder.stat().st_mtime > 0
    Store(stores / "all").tidy(folder.stat().st_mtime + 60.0)
    assert files(stores / "all") == files(stores / "a")
