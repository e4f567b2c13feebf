"""What a file may say about the time of an engine step, where it is not left to physics."""

import io
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.references import folder
from scenarios.units import TIME_S, Count, Seconds

Factor = Annotated[StrictFloat, Field(ge=0.1, le=10.0)]


class LinearLatency(Part):
    """An explicit step time: the sum of these costs. For measured engines and exact checks."""

    per_step_s: Seconds = 0.0
    per_mixed_step_s: Seconds = 0.0
    """More for a step that computes any prefill token."""
    per_prefill_token_s: Seconds = 0.0
    per_decode_token_s: Seconds = 0.0
    per_sequence_s: Seconds = 0.0
    per_kv_token_s: Seconds = 0.0
    """Per token of context that the step reads."""
    per_attention_pair_s: Seconds = 0.0
    """Per (token computed, token attended to) pair."""
    all_experts_s: Seconds = 0.0
    """Reading every expert of a mixture-of-experts model once."""
    expert_miss: Annotated[StrictFloat, Field(ge=0, lt=1)] = 0.0
    """Chance that one token passes an expert by: T tokens read 1 - miss^T of all experts."""

    @model_validator(mode="after")
    def some_positive_cost(self) -> Self:
        costs = [getattr(self, name) for name in type(self).model_fields if name.endswith("_s")]
        if min(costs) < 0 or max(costs) == 0:
            raise PydanticCustomError(
                "quantity", "a step that takes no time", {"allowed": "costs >= 0, one above 0"}
            )
        return self


class Measured(Part):
    """What a profile was measured on: it holds for nothing else."""

    model: str
    gpu: str
    engine: str


class Layout(Part):
    """What of a replica decides its step time, besides model, GPU and engine."""

    tensor_parallel: Count
    pipeline_parallel: Count
    data_parallel: Count
    precision: str
    kv_precision: str
    sampling: str
    async_scheduling: StrictBool


class Profile(Part):
    """What `fleetcast calibrate` learned from load tests of a replica."""

    measured_on: Measured
    layout: Layout | None = None
    """What `step` holds for; a replica with another layout refuses the profile."""
    step_factor: Factor = 1.0
    """Of the whole step time: that of physics, or `step`."""
    overhead_factor: Factor = 1.0
    """Of the engine's overheads per step and per layer, before the factor of the whole step."""
    reply_s: Seconds | None = None
    """What the front end adds to a first token; the engine's catalogue entry when not given."""
    step: LinearLatency | None = None
    """The step time outright; `step_factor` is then of this one."""
    learned: dict[str, Factor] = Field(default_factory=dict)
    """For its readers: what the load tests made of each part of the built-in step time. `step` and
    `reply` contain it."""
    uncertainty: dict[str, float] = Field(default_factory=dict)
    """Relative standard error: `step_factor` of the step time of a new kind of request, the others
    of what was `learned`."""
    source: str
    date: str


def profile_file(value: Any, info: ValidationInfo) -> Any:
    """The contents of the file that `{profile: ours.yaml}` names; anything else as it is."""
    if not isinstance(value, dict) or "profile" not in value:
        return value
    if len(value) > 1 or not isinstance(value["profile"], str):
        raise refuse("a profile with other keys", "`{profile: FILE}` alone")
    try:
        return read_profile(folder(info) / value["profile"])
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise refuse(
            f"no readable profile {value['profile']}",
            f"a file that `fleetcast calibrate` wrote ({reason})",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        what = first.get("ctx", {}).get("allowed", first["msg"])
        raise refuse(
            f"no profile: {value['profile']}",
            f"a file that `fleetcast calibrate` wrote; {where}: {what}",
        ) from error


def of_this_layout(value: Any, info: ValidationInfo) -> Any:
    """Refuses a profile whose step was measured on another layout of the replica beside it."""
    replica = (info.data or {}).get("replica")
    if not isinstance(value, Profile) or value.layout is None or replica is None:
        return value
    used = layout_of(replica)
    differ = [
        name for name in Layout.model_fields if getattr(value.layout, name) != getattr(used, name)
    ]
    if differ:
        raise refuse(
            f"a profile of {', '.join(f'{n} {getattr(value.layout, n)}' for n in differ)}",
            f"one of {', '.join(f'{n} {getattr(used, n)}' for n in differ)}: calibrate there too",
        )
    return value


def layout_of(replica: Any) -> Layout:
    """Of a scenarios.fleet.Replica."""
    return Layout(
        tensor_parallel=replica.tensor_parallel,
        pipeline_parallel=replica.pipeline_parallel,
        data_parallel=replica.data_parallel,
        precision=replica.precision,
        kv_precision=replica.kv_precision,
        sampling=replica.engine.sampling,
        async_scheduling=replica.engine.async_scheduling,
    )


def read_profile(path: Path) -> Profile:
    """The profile of a file.

    Raises OSError, YAMLError, UnicodeDecodeError or ValidationError for what is none.
    """
    return Profile.model_validate(
        YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    )


def profile_text(profile: Profile) -> str:
    """The file of a profile: YAML that `read_profile` reads back, times in fitting units."""
    data = profile.as_yaml_data()
    costs = data.get("step", {})
    for place in (data, costs):
        for key, value in place.items():
            if isinstance(value, str) and key.startswith(("per_", "all_", "reply")):
                place[key] = in_words(float(value.removesuffix("s")))
    if not profile.learned:
        del data["learned"]
    if costs:
        del data["overhead_factor"]
        data["step"] = {key: cost for key, cost in costs.items() if cost not in ("0s", 0.0)}
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(data, text)
    return text.getvalue()


def in_words(seconds: float) -> str:
    """A time in the unit that needs no leading zeros, to six digits.

    >>> in_words(0.0065), in_words(2.1e-5), in_words(0.0)
    ('6.5ms', '21us', '0s')
    """
    units = [(unit, size) for unit, size in TIME_S.items() if size <= 1 and size <= abs(seconds)]
    unit, size = units[-1] if units else ("s", 1.0)
    return f"{seconds / size:.6g}{unit}"


def kind(value: Any) -> str:
    """A profile says what it was measured on; costs of a step do not."""
    is_profile = isinstance(value, Profile) or (
        isinstance(value, dict) and {"measured_on", "profile"} & value.keys()
    )
    return "Profile" if is_profile else "LinearLatency"


PROFILE_OF = {
    "type": "object",
    "properties": {"profile": {"type": "string"}},
    "required": ["profile"],
    "additionalProperties": False,
}
Latency = Annotated[
    Annotated[Profile, WithJsonSchema(PROFILE_OF), Tag("Profile")]
    | Annotated[LinearLatency, Tag("LinearLatency")],
    Discriminator(kind),
    BeforeValidator(profile_file),
    AfterValidator(of_this_layout),
]
