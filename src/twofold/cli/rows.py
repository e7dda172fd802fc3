"""A table whose rows come one by one: its widths are those of the terminal, not of the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twofold.cli.output import Output, visible

GAP = 2


class Rows:
    """Prints rows, and the heading before the first one.

    Args:
        output: where they are written.
        columns: name and style of each; the first holds numbers.
        widths: tells the width of each column for that of the terminal.
    """

    def __init__(
        self, output: Output, columns: Sequence[tuple[str, str]], widths: Callable[[int], Sequence[int]]
    ) -> None:
        from twofold.cli.terminal import console

        self._output = output
        self._columns = columns
        self._console = console()
        self._widths = widths(self._console.width)
        self._begun = False

    def show(self, *values: str) -> None:
        """Print a row, cut to the widths."""
        if not self._begun:
            self._begun = True
            self._print([name for name, _ in self._columns], ["bold"] * len(self._columns))
        self._print(values, [style for _, style in self._columns])

    def _print(self, values: Sequence[str], styles: Sequence[str]) -> None:
        from rich.text import Text

        line = Text()
        for place, (value, style, width) in enumerate(zip(values, styles, self._widths, strict=True)):
            # More than a line of a long payload is never looked at.
            cell = Text(visible(value[: width + 1], lines=False), style)
            cell.truncate(width, overflow="ellipsis")
            cell.align("right" if place == 0 else "left", width)
            line.append_text(cell).append(" " * GAP)
        line.rstrip()
        with self._console.capture() as captured:
            self._console.print(line, no_wrap=True, crop=False, overflow="ignore")
        self._output.write(captured.get().encode(self._console.encoding, "replace"))
