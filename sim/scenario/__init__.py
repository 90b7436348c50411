"""Scenario files: read, check, override, compile to a plan, write back.

``load(path_or_name)`` reads one; ``compile_plan(scenario)`` gives the plan that a world runs, whose ``resolved`` is the
canonical form. Whatever is wrong with a file comes as one :class:`~sim.errors.InputError`.
"""

from sim.scenario.compile import compile_plan
from sim.scenario.finding_names import FINDING_NAMES
from sim.scenario.load import bundled, bundled_folder, from_dict, from_text, load
from sim.scenario.model import Scenario
from sim.scenario.overrides import with_overrides
from sim.scenario.resolved import digest_part
from sim.scenario.schema import scenario_schema, schema_text
from sim.scenario.template import template
from sim.scenario.write import to_yaml

__all__ = [
    "FINDING_NAMES", "Scenario", "bundled", "bundled_folder", "compile_plan", "digest_part", "from_dict",
    "from_text", "load",
    "scenario_schema", "schema_text", "template", "to_yaml", "with_overrides",
]  # fmt: skip
