"""The hub against the model, where what is in memory is all there is: see `tests.core.machine`."""

from tests.core.machine import HubMachine

TestHub = HubMachine.TestCase
