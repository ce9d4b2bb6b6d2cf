"""A command line whose options may stand anywhere, also between a channel and its data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class InterleavedParser(argparse.ArgumentParser):
    """Reads `publish news --event price 41.7`.

    argparse alone gives all that has no option to the first group of such words: the data would be
    taken as left out, and then be refused.
    """

    _is_inside = False

    def parse_known_args(  # type: ignore[override]  # the stub has an overload for each namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the base class does, options first; called by the parser of the whole command."""
        if self._is_inside:
            return super().parse_known_args(args, namespace)
        self._is_inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_inside = False
