"""The servers that are measured; a new one is a module and a line here."""

from bench.load.subjects.base import Subject
from bench.load.subjects.nchan import Nchan
from bench.load.subjects.node import Node
from bench.load.subjects.own import SseServer

SUBJECTS: dict[str, Subject] = {subject.name: subject for subject in (SseServer(), Nchan(), Node())}
"""In the order in which they are run and shown."""
