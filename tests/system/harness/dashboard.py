# SPDX-License-Identifier: BSD-2-Clause
"""Draws the panels of contrib/grafana/acme-milter.json from what a real Prometheus answers to their queries.

Not Grafana's drawing: Debian has no Grafana. Places, titles, units, legends and queries are the dashboard's own.
"""
import datetime
import io
import json
import urllib.parse
import warnings

import matplotlib
from PIL import Image

matplotlib.use("Agg")
import matplotlib.dates as dates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402

from .prometheus import fetch  # noqa: E402

COLUMNS, INCHES_A_COLUMN, INCHES_A_ROW = 24, 0.5, 0.3
COLOURS = ["#3274a1", "#e1812c", "#3a923a", "#c03d3e", "#9372b2", "#845b53", "#d684bd", "#7f7f7f", "#a9aa35", "#2eabb8"]
UNITS = {"reqps": "a second", "s": "seconds", "percentunit": "share", "short": ""}


def ask(server, kind, **arguments):
    answer = json.loads(fetch(f"{server.url}/api/v1/{kind}?" + urllib.parse.urlencode(arguments)))
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def filled(expression, interval, whole):
    """As Grafana fills in its variables; all hosts are chosen."""
    return (expression.replace("$__rate_interval", f"{interval}s").replace("$__range", f"{whole}s")
            .replace("$instance", ".*"))


def legend(target, labels):
    text = target.get("legendFormat", "")
    for name, value in labels.items():
        text = text.replace("{{%s}}" % name, value)
    return text.strip()


def draw_stat(axes, panel, server, end, whole):
    axes.axis("off")
    target = panel["targets"][0]
    found = ask(server, "query", query=filled(target["expr"], 20, whole), time=end)
    if not found:  # an increase wants two readings, which a short time may not have
        axes.text(0.5, 0.42, "no data", ha="center", va="center", fontsize=10, color="#777777")
        return
    text = legend(target, found[0]["metric"]).split()[0] if target.get("legendFormat") else f"{float(found[0]['value'][1]):.0f}"
    if panel["fieldConfig"]["defaults"].get("unit") == "percentunit":
        text = f"{float(found[0]['value'][1]):.1%}"
    axes.text(0.5, 0.42, text, ha="center", va="center", fontsize=17, color="#333333")


def draw_lines(axes, panel, server, start, end):
    whole, drawn = int(end - start), 0
    for target in panel["targets"]:
        for series in ask(server, "query_range", query=filled(target["expr"], 20, whole), start=start, end=end, step=2):
            points = [(datetime.datetime.fromtimestamp(at, datetime.timezone.utc), float(value)) for at, value in series["values"]]
            if any(value == value and value != 0 for _, value in points):  # NaN is no value
                axes.plot(*zip(*points), linewidth=1.1, color=COLOURS[drawn % len(COLOURS)], label=legend(target, series["metric"]))
                drawn += 1
    if drawn:
        axes.legend(fontsize=5.5, loc="upper left", frameon=False, ncol=1 + drawn // 6)
        axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.45)
    else:
        axes.text(0.5, 0.5, "none in this time", transform=axes.transAxes, ha="center", fontsize=7, color="#777777")
        axes.set_yticks([])
    axes.set_xlim(datetime.datetime.fromtimestamp(start, datetime.timezone.utc), datetime.datetime.fromtimestamp(end, datetime.timezone.utc))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S" if end - start < 600 else "%H:%M"))
    axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=5))
    axes.tick_params(labelsize=6, length=2)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.set_ylabel(UNITS.get(panel["fieldConfig"]["defaults"].get("unit"), ""), fontsize=6)


def save_small(drawing, path):
    """Few colours are enough for lines."""
    drawing.seek(0)
    Image.open(drawing).convert("RGB").quantize(64).save(path, optimize=True)


def draw(board, server, start, end, path, caption):
    """The names of the panels drawn."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 2
    figure = plt.figure(figsize=(COLUMNS * INCHES_A_COLUMN, rows * INCHES_A_ROW), facecolor="#f4f5f5")
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
        bottom, height = 1 - (place["y"] + place["h"]) / rows, place["h"] / rows
        is_stat = panel["type"] == "stat"
        axes = figure.add_axes([left + 0.035, bottom + 0.5 / rows + 0.004, width - 0.045, height - (1.9 if not is_stat else 1.4) / rows])
        axes.set_title(panel["title"], fontsize=8, loc="left" if not is_stat else "center", pad=3)
        if is_stat:
            draw_stat(axes, panel, server, end, int(end - start))
        else:
            draw_lines(axes, panel, server, start, end)
    figure.text(0.012, 0.5 / rows, caption, fontsize=7, color="#555555")
    drawing = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # times that a locator does not like
        figure.savefig(drawing, dpi=80)
    plt.close(figure)
    save_small(drawing, path)
    return [panel["title"] for panel in board["panels"]]
