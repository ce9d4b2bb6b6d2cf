"""What a server is put through. A new scenario is one decorated function."""

from bench.load.scenarios import streams  # isort: skip (the order of the imports is that of the runs)
from bench.load.scenarios import delivery  # isort: skip
from bench.load.scenarios import channels  # isort: skip
from bench.load.scenarios import multiplexing  # isort: skip
from bench.load.scenarios import encryption  # isort: skip
from bench.load.scenarios import publishing  # isort: skip
from bench.load.scenarios import stored  # isort: skip
from bench.load.scenarios import hardship  # isort: skip
from bench.load.scenarios.registry import SCENARIOS, Part, Scenario

__all__ = [
    "SCENARIOS",
    "Part",
    "Scenario",
    "channels",
    "delivery",
    "encryption",
    "hardship",
    "multiplexing",
    "publishing",
    "stored",
    "streams",
]
