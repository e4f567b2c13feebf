"""The data of a document -> Scenario, or every fault of them: of each part, and between parts."""

import typing
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from scenarios.catalogue.facts import Model
from scenarios.document import Document, KeyPath, dotted, has
from scenarios.explaining import child, fault_of, line_to_add
from scenarios.faults import Fault
from scenarios.fleet import Replica
from scenarios.latency import Measured, Profile
from scenarios.memory import fitting_tensor_parallel, missing_bytes
from scenarios.model import Scenario
from scenarios.price import Owned, Purchase
from scenarios.spread import STEP_TIME

Context = dict[str, Any]
"""What names in a scenario refer to: `catalogue`, and the `folder` of its files."""


def scenario_of(
    document: Document, context: Context, needs: tuple[str, ...] = ()
) -> Scenario | None:
    """What the data of a document say; faults go to the document. None where it says nothing."""
    scenario = None
    try:
        scenario = Scenario.model_validate(document.data, context=context)
    except ValidationError as error:
        document.faults += [
            fault_of(document, detail) for detail in error.errors() if not hollow(detail)
        ]
    document.faults += memory_faults(document, context)
    document.faults += missing_parts(document, needs)
    document.faults += unpriced_gpus(document, context)
    document.faults += unknown_power(document, context)
    if scenario is not None:
        document.faults += foreign_profiles(document, scenario)
        document.faults += unknown_calibration(document, scenario)
    return scenario


def hollow(detail: ErrorDetails) -> bool:
    """A list that is 'too short' only because its items have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def part_of(document: Document, key: str, context: Context) -> Any:
    """One part of the scenario on its own, or None when it has faults of its own."""
    adapter: TypeAdapter[Any] = TypeAdapter(
        typing.get_type_hints(Scenario, include_extras=True)[key]
    )
    try:
        return adapter.validate_python(document.data.get(key), context=context)
    except ValidationError:
        return None


def replicas_of(document: Document, context: Context) -> Iterator[tuple[KeyPath, Replica]]:
    """Each replica of the file that has no fault of its own, with its key."""
    others = child(child(document.data, "fleet"), "others")
    pools = others if isinstance(others, list) else []
    keys: list[KeyPath] = [("fleet", "others", index) for index in range(len(pools))]
    for key in [(), *keys]:
        described = reduce(child, (*key, "replica"), document.data)
        with suppress(ValidationError):
            yield (*key, "replica"), Replica.model_validate(described, context=context)


def memory_faults(document: Document, context: Context) -> Iterator[Fault]:
    """A model that leaves no room for one KV block is a fault of the scenario."""
    model = part_of(document, "model", context)
    if model is not None:
        for at, replica in replicas_of(document, context):
            yield from faults_of_memory(document, at, model, replica)


def faults_of_memory(
    document: Document, at: KeyPath, model: Model, replica: Replica
) -> Iterator[Fault]:
    split = (*at, "tensor_parallel")
    got = f"got {replica.tensor_parallel}"
    if model.heads % replica.tensor_parallel:
        allowed = f"a divisor of the {model.heads} attention heads of {model.name}"
        yield Fault(document.place(split), dotted(split), got, allowed)
        return
    if replica.tensor_parallel > replica.gpu.gpus_per_node:
        allowed = f"up to {replica.gpu.gpus_per_node}, the {replica.gpu.name} that one node joins"
        yield Fault(document.place(split), dotted(split), got, allowed)
        return
    missing = missing_bytes(model, replica)
    if replica.engine.num_gpu_blocks is None and missing > 0:
        fits = fitting_tensor_parallel(model, replica)
        allowed = (
            f"tensor_parallel: {fits} would fit"
            if fits
            else "no tensor_parallel within one node fits"
        )
        yield Fault(
            document.place(at),
            dotted(at),
            f"{model.name} in {replica.precision} on {replica.gpus} x "
            f"{replica.gpu.name} is short of {missing:,.0f} bytes per GPU",
            allowed,
        )


def missing_parts(document: Document, needs: tuple[str, ...]) -> Iterator[Fault]:
    for key in needs:
        if document.data.get(key) is None:
            place = f"{document.source}:1:1"
            yield Fault(place, key, "missing", line_to_add(Scenario, key))


def unpriced_gpus(document: Document, context: Context) -> Iterator[Fault]:
    """A price list without a GPU in use would answer with no cost at all."""
    prices = part_of(document, "price", context)
    for _, replica in replicas_of(document, context) if prices else ():
        gpu, purchase = replica.gpu, replica.purchase
        price, at = prices.gpus.get(gpu.name), priced_at(document, gpu.name)
        entry = example_of(purchase)
        if price is None:
            seen = gpu.price
            hint = (
                f" (seen on demand: {seen.low_usd_per_hour:g} to {seen.high_usd_per_hour:g} USD/h)"
                if seen
                else ""
            )
            short = "... USD/h" if purchase == "on_demand" else f"{{{entry}}}"
            got, allowed = f"no price for {gpu.name}", f"add `{gpu.name}: {short}`{hint}"
        elif purchase not in price.kinds:
            kinds = " and ".join(price.kinds)
            got = f"no {purchase} price for {gpu.name}; it has {kinds}"
            allowed = f"add `{entry}`, or `purchase: {price.kinds[0]}` to the replica"
        else:
            continue
        yield Fault(document.place(at), dotted(at), got, allowed)


def priced_at(document: Document, gpu: str) -> KeyPath:
    """Where the price of a GPU stands, as far as it stands in the scenario's own file."""
    at: KeyPath = ("price",)
    for key in ("gpus", gpu):
        if has(reduce(child, at, document.data), key):
            at = (*at, key)
    return at


def example_of(purchase: Purchase) -> str:
    """What to write for a price of this kind."""
    if purchase != "owned":
        return f"{purchase}: ... USD/h"
    fields = Owned.model_fields.values()
    needed = [f"{field.alias}: {field.examples[0]}" for field in fields if field.examples]
    return f"owned: {{{', '.join(needed)}}}"


def unknown_power(document: Document, context: Context) -> Iterator[Fault]:
    """Energy, and electricity that is paid for, need to know what a GPU draws."""
    minimise = child(child(document.data, "plan"), "minimise")
    energy = document.data.get("energy") is not None or minimise == "energy"
    for at, replica in replicas_of(document, context):
        if replica.gpu.power_w is None and (energy or replica.purchase == "owned"):
            key = (*at, "gpu")
            yield Fault(
                document.place(key),
                dotted(key),
                f"the catalogue does not know what {replica.gpu.name} draws",
                "an entry with `power: 700W`, in a catalogue file of your own",
            )


def foreign_profiles(document: Document, scenario: Scenario) -> Iterator[Fault]:
    """A profile measured on something else would scale the wrong step time."""
    for at, pool in pools_of(scenario):
        if not isinstance(pool.latency, Profile):
            continue
        measured = pool.latency.measured_on
        used = Measured(
            model=scenario.model.name,
            gpu=pool.replica.gpu.name,
            engine=pool.replica.engine.facts.name,
        )
        if measured != used:
            key: KeyPath = (*at, "latency")
            yield Fault(
                document.place(key),
                dotted(key),
                f"a profile of {in_words(measured)}",
                f"one of {in_words(used)}",
            )


def unknown_calibration(document: Document, scenario: Scenario) -> Iterator[Fault]:
    """Of a step time that a file gives nobody knows how wrong it is, unless load tests told."""
    spread = (scenario.uncertain or {}).get(STEP_TIME)
    if spread is None or not spread.calibrated:
        return
    for at, pool in pools_of(scenario):
        latency = pool.latency
        known = latency is None or (
            isinstance(latency, Profile) and "step_factor" in latency.uncertainty
        )
        if not known:
            key = ("uncertain", STEP_TIME)
            got = f"the error of the step time in `{dotted((*at, 'latency'))}` is not known"
            yield Fault(document.place(key), dotted(key), got, "`{sd: 8%}` or `{within: 10%}`")


def pools_of(scenario: Scenario) -> list[tuple[KeyPath, Any]]:
    """All that has a replica and a latency, with its key: the scenario, for the main pool, and the
    others."""
    others = enumerate(scenario.fleet.others)
    return [((), scenario), *((("fleet", "others", index), pool) for index, pool in others)]


def in_words(measured: Measured) -> str:
    return f"{measured.model} on {measured.gpu} with {measured.engine}"
