"""What a server is put through. A new scenario is one decorated function."""

from bench.load.scenarios import delivery, hardship
from bench.load.scenarios.registry import SCENARIOS, Scenario

__all__ = ["SCENARIOS", "Scenario", "delivery", "hardship"]
