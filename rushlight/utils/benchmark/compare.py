"""`Compare`: measurements as a table, a row a task and a column a description."""

from __future__ import annotations

from collections.abc import Iterable

from rushlight.utils.benchmark.measurement import UNIT_NAMES, Measurement, select_unit, trim_sigfig


class Compare:
    """Tables of measurements: one for each label, a block for each number of threads, times in one unit.

    >>> import rushlight as torch
    >>> from rushlight.utils import benchmark
    >>> spec = lambda name: benchmark.TaskSpec("f(x)", label="sums", sub_label="small", description=name)
    >>> print(Compare([benchmark.Measurement(1, [2e-6], spec("a")), benchmark.Measurement(1, [3e-6], spec("b"))]))
    [---------- sums ----------]
               |   a    |   b
    1 threads: -----------------
      small    |  2.00  |  3.00
    <BLANKLINE>
    Times are in microseconds (us).
    <BLANKLINE>
    """

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim = self._colorize = self._warn = False

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements. ValueError for anything else."""
        results = list(results)
        for found in results:
            if not isinstance(found, Measurement):
                raise ValueError(f"Compare: got a {type(found).__name__}; expected a Measurement.")
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Show the digits that the spread leaves, and no more."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Show the fastest of each row in green."""
        self._colorize = True

    def highlight_warnings(self) -> None:
        """Mark times with a large spread."""
        self._warn = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))

    def __str__(self) -> str:
        merged = Measurement.merge(self._results)
        labels = dict.fromkeys(m.label or m.stmt for m in merged)
        return "\n".join(self._table(label, [m for m in merged if (m.label or m.stmt) == label]) for label in labels)

    def _table(self, label: str, found: list[Measurement]) -> str:
        unit, size = select_unit(min(m.median for m in found))
        columns = list(dict.fromkeys(m.description or "" for m in found))
        cells: dict[tuple[int, str], dict[str, Measurement]] = {}
        for m in found:
            cells.setdefault((m.num_threads, m.as_row_name), {})[m.description or ""] = m
        text = {(row, name): self._cell(m, size, by) for row, by in cells.items() for name, m in by.items()}
        plain = {key: _without_colour(value) for key, value in text.items()}
        widths = [max([len(name), *(len(plain[key]) for key in plain if key[1] == name)]) for name in columns]
        left = max([len("1 threads: "), *(2 + len(row[1]) + 1 for row in cells)])
        lines, threads = [], None
        lines.append(
            " " * left + "".join(f"|  {name:^{w}}  " for name, w in zip(columns, widths, strict=True)).rstrip()
        )
        for row in sorted(cells, key=lambda key: key[0]):
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(left, "-") + "-" * (sum(widths) + 5 * len(widths) - 1))
            shown = "".join(
                "|  " + " " * (w - len(plain.get((row, name), ""))) + text.get((row, name), "") + "  "
                for name, w in zip(columns, widths, strict=True)
            )
            lines.append(f"  {row[1]}".ljust(left) + shown.rstrip())
        width = max(len(_without_colour(line)) for line in lines)
        head = f"[{f' {label} '.center(width - 2, '-')}]"
        return "\n".join([head, *lines, "", f"Times are in {UNIT_NAMES[unit]}s ({unit}).", ""])

    def _cell(self, m: Measurement, size: float, row: dict[str, Measurement]) -> str:
        value = m.median / size
        text = f"{trim_sigfig(value, m.significant_figures):g}" if self._trim else f"{value:.2f}"
        if self._warn and m.has_warnings:
            text = f"(! {100 * m.iqr / m.median:.0f}%) {text}"
        if self._colorize and m.median == min(other.median for other in row.values()):
            text = f"\033[92m{text}\033[0m"
        return text


def _without_colour(text: str) -> str:
    return text.replace("\033[92m", "").replace("\033[0m", "")
