"""Request rows of a finished plan, as many as are asked for now."""

from pathlib import Path
from typing import Any

from fleetcast import options
from fleetcast.places import read_object
from simulator.keep import Keep


def keep_rows(
    folder: Path, plan: dict[str, Any], keep: Keep, machines: options.Machines, runs_folder: Path
) -> None:
    """Write the rows of a plan's periods again unless they are kept so; nothing else changes.

    The manifest says that there are none until there are."""
    from fleetcast.computing import at_work, stored_runs
    from fleetcast.plan_runs import runs_by_scenario, shown_periods
    from fleetcast.progress import compile_first
    from fleetcast.stop_on import user_errors
    from planner.evidence import names_kept, write_requests
    from reports.folder import read_results, shown_rows
    from scenarios.loading import restore
    from simulator.results import write_json

    about = folder / "manifest.json"
    manifest = read_object(about)
    if manifest["keep"] == keep:
        return

    def tell(kept: Keep) -> None:
        files = [f"{name}.parquet" for name in names_kept(kept)]
        write_json(manifest | {"keep": kept, "files": files}, about)

    tell("none")
    (folder / "requests.parquet").unlink(missing_ok=True)
    if keep == "none":
        return
    scenario = restore(plan["scenario"])
    replications = shown_rows(read_results(folder))["replication"].tolist()
    compile_first()
    with user_errors(), stored_runs(runs_folder) as store, at_work(machines) as executor:
        runs_of = runs_by_scenario(store, executor)
        shown = shown_periods(runs_of, scenario, plan["figures_of"], replications, keep)
        write_requests(folder, shown, scenario.traffic)
    tell(keep)
