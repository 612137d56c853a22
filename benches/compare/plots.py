"""Plots as SVG, on white, so that they can be read on any page."""

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from growth import Curve
from load import Rows, Sample, Work, median

COLOURS = {
    "serve-forever": "#0b5cad",
    "nginx": "#333333",
    "nginx-tuned": "#8a8a8a",
    "lighttpd": "#b8710a",
    "darkhttpd": "#5f8f1f",
    "busybox": "#a83a62",
    "python": "#6a48b0",
    "miniserve": "#1c8c86",
    "static-web-server": "#c4452c",
}
WIDTH = 760


def text(x: float, y: float, content: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{" " + more if more else ""}>{escape(content)}</text>'


def write(path: Path, height: float, title: str, lines: Sequence[str]) -> None:
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif" '
        'font-size="12" fill="black">',
        f'<rect width="{WIDTH}" height="{height:.0f}" rx="6" fill="white"/>',
        text(12, 24, title, 'font-size="15"'),
    ]
    path.write_text("\n".join([*head, *lines, "</svg>"]) + "\n")


def figure(value: float) -> str:
    """Formats a number for readers: as an integer if it is large, otherwise with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bars(
    path: Path,
    title: str,
    results: dict[str, dict[str, Rows]],
    works: dict[str, Work],
    of: Callable[[Sample], float],
    unit: str,
    shorter_is_better: bool,
) -> None:
    """Draws bars, one group for each workload. The longest bar of a group fills the width, because the scales of the
    groups differ.

    One server that is far from all others would leave nothing to see of them: where shorter is better, a bar ends at
    four times the shortest, and its label says so by an arrow.
    """
    bar, gap, left = 16, 26, 140
    lines: list[str] = []
    y = 50.0
    for name, rows_by_server in results.items():
        lines.append(text(12, y, f"{name}: {works[name].text}", 'font-weight="bold"'))
        y += 8
        measured = {server: median(rows, of) for server, rows in rows_by_server.items() if not isinstance(rows, str)}
        values = {server: value for server, value in measured.items() if not math.isnan(value)}
        longest = max(values.values(), default=1)
        full = min(longest, 4 * min(values.values(), default=1)) if shorter_is_better else longest
        for server in rows_by_server:
            value = values.get(server)
            label = "not measured" if value is None else f"{'» ' if value > full else ''}{figure(value)} {unit}"
            length = 0 if value is None else (WIDTH - left - 130) * min(value, full) / max(full, 1e-9)
            lines.append(text(left - 8, y + 12, server, 'text-anchor="end"'))
            colour = COLOURS.get(server, "black")
            lines.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 3}" fill="{colour}"/>')
            lines.append(text(left + length + 6, y + 12, label))
            y += bar
        y += gap
    write(path, y, title, lines)


def steps(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis: powers of ten, and numbers between them if there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    return [factor * 10.0**power for power in range(first, last + 1) for factor in factors]


def curves(path: Path, title: str, x_label: str, y_label: str, curve: Curve, named: Callable[[int], str]) -> None:
    """Draws lines with logarithmic axes for points and values. The point 0 is drawn at 1."""
    values = [value for row in curve.values.values() for value in row.values() if value > 0]
    if not values:
        return
    left, right, top, bottom = 76, WIDTH - 140, 44, 330
    marks = steps(min(values), max(values))
    low = max(mark for mark in marks if mark <= min(values))
    high = min((mark for mark in marks if mark >= max(values)), default=max(values))
    xs = [math.log10(max(point, 1)) for point in curve.points]
    width, height = max(xs[-1] - xs[0], 1e-9), max(math.log10(high) - math.log10(low), 1e-9)

    def across(point: int) -> float:
        return left + (right - left) * (math.log10(max(point, 1)) - xs[0]) / width

    def up(value: float) -> float:
        return bottom - (bottom - top) * (math.log10(value) - math.log10(low)) / height

    lines = []
    for mark in marks:
        if low <= mark <= high:
            lines.append(f'<path d="M{left} {up(mark):.1f}H{right}" stroke="#dddddd"/>')
            lines.append(text(left - 8, up(mark) + 4, figure(mark), 'text-anchor="end"'))
    for point in curve.points:
        lines.append(f'<path d="M{across(point):.1f} {bottom}v5" stroke="black"/>')
        lines.append(text(across(point), bottom + 19, named(point), 'text-anchor="middle"'))
    lines.append(f'<path d="M{left} {top}V{bottom}H{right}" stroke="black" fill="none"/>')
    lines.append(text((left + right) / 2, bottom + 42, x_label, 'text-anchor="middle"'))
    middle = (top + bottom) / 2
    lines.append(text(18, middle, y_label, f'text-anchor="middle" transform="rotate(-90 18 {middle})"'))
    for number, (server, row) in enumerate(curve.values.items()):
        colour = COLOURS.get(server, "black")
        dots = [(across(point), up(row[point])) for point in curve.points if row.get(point, 0) > 0]
        path_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        lines.append(f'<polyline points="{path_text}" stroke="{colour}" stroke-width="2" fill="none"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in dots]
        key = top + 8 + 20 * number
        lines.append(f'<path d="M{right + 14} {key}h18" stroke="{colour}" stroke-width="3"/>')
        lines.append(text(right + 38, key + 4, server))
    write(path, bottom + 58, title, lines)
