"""Plots: one picture for each family of figures, servers side by side, whiskers low to high."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.load.results import Result, of_scenario
from bench.load.subjects import SUBJECTS
from bench.load.target import median, values

mpl.use("Agg")  # no window

_COLOURS = ("#1f6fb2", "#d9822b", "#6b7d5c")
_WIDTH = 0.26


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Figures that belong into one picture."""

    name: str
    title: str
    unit: str
    bars: tuple[tuple[str, str, str], ...]
    """(label, scenario, figure)."""
    logarithmic: bool = False


FAMILIES = (
    Family(
        name="cpu-per-delivery",
        title="CPU per delivery",
        unit="µs, logarithmic",
        bars=(
            ("one at a time", "fan-out-one", "us_per_delivery"),
            ("at full speed", "fan-out-full", "us_per_delivery"),
            ("beside a\npersonal channel", "personal", "us_per_delivery"),
            ("a channel each,\nPOST each", "channels", "us_per_delivery_single"),
            ("a channel each,\nbatches", "channels", "us_per_delivery_batched"),
        ),
        logarithmic=True,
    ),
    Family(
        name="latency",
        title="Latency of delivery, 1,000 subscribers, 50 events/s",
        unit="ms",
        bars=(
            ("50 %", "latency", "p50_ms"),
            ("99 %", "latency", "p99_ms"),
            ("99.9 %", "latency", "p999_ms"),
        ),
    ),
    Family(
        name="memory",
        title="Memory of an idle stream",
        unit="bytes",
        bars=(
            ("resident", "idle", "bytes_per_stream"),
            ("kernel, both ends", "idle", "kernel_bytes_per_stream"),
            ("a channel each,\nresident", "channels", "bytes_per_stream"),
        ),
    ),
    Family(
        name="connect",
        title="CPU per new stream, all at once",
        unit="µs",
        bars=(
            ("new stream", "connect", "us_per_stream"),
            ("with a replay of\n100 events", "replay", "us_per_joiner"),
        ),
    ),
    Family(
        name="idle",
        title="CPU of idle streams and their heartbeats",
        unit="% of a core",
        bars=(("all streams", "idle", "cpu_percent"),),
    ),
    Family(
        name="publish",
        title="Publishing, nobody listens",
        unit="events per second, logarithmic",
        bars=(
            ("16 publishers,\nPOST each", "publish", "posts_per_second"),
            ("pipelined", "publish", "pipelined_posts_per_second"),
            ("batches of 1,000", "publish", "batched_events_per_second"),
        ),
        logarithmic=True,
    ),
    Family(
        name="scale",
        title="CPU per delivery, few streams and many",
        unit="µs",
        bars=(
            ("1,000", "scale", "us_per_delivery_few"),
            ("19,000", "scale", "us_per_delivery"),
        ),
    ),
    Family(
        name="sizes",
        title="CPU per delivery by the size of the event",
        unit="µs",
        bars=tuple(
            (label, "sizes", f"us_per_delivery_{label.replace(' ', '').lower()}")
            for label in ("100 B", "1 KB", "16 KB")
        ),
    ),
)


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw every family of which something valid was measured; where the pictures are."""
    found = []
    for family in FAMILIES:
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        if _draw(family, results, figure.subplots()):
            path = folder / f"{family.name}.png"
            figure.savefig(path, dpi=120)
            found.append(path)
    return found


def _draw(family: Family, results: Sequence[Result], axes: Axes) -> bool:
    """Whether there was anything to draw."""
    drawn = False
    for number, (subject, colour) in enumerate(zip(SUBJECTS, _COLOURS, strict=True)):
        bars = []
        for at, (_, scenario, name) in enumerate(family.bars):
            found = values(of_scenario(results, scenario).get(subject, ()), name)
            middle = median(found)
            if middle is not None:
                place = at + (number - 1) * _WIDTH
                bars.append((place, middle, middle - min(found), max(found) - middle))
        if bars:
            places, heights, below, above = zip(*bars, strict=True)
            drawn_bars = axes.bar(
                places, heights, _WIDTH, yerr=(below, above), color=colour, label=subject, capsize=3
            )
            labels = [f"{height:,.0f}" if height >= 100 else f"{height:.3g}" for height in heights]
            axes.bar_label(drawn_bars, labels, padding=2, fontsize=8)
            drawn = True
    if drawn:
        axes.set_title(family.title)
        axes.set_ylabel(family.unit)
        axes.set_xticks(range(len(family.bars)), [label for label, _, _ in family.bars])
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.15)
        if family.logarithmic:
            axes.set_yscale("log")
        axes.legend(frameon=False)
    return drawn
