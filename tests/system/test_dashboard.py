# SPDX-License-Identifier: BSD-2-Clause
"""The dashboard of contrib/grafana, its queries asked of a real Prometheus as Grafana asks them: real replies through
Postfix and two milters, counted by them, read by node_exporter and Prometheus.

README says how doc/dashboard.png comes of a longer run.
"""
import json
import math
import os
import re
import struct
import time
import urllib.parse
from pathlib import Path

import pytest

from harness import prometheus
from harness.process import wait_for
from harness.traffic import Traffic

TOP = Path(__file__).resolve().parents[2]
BOARD = json.loads((TOP / "contrib/grafana/acme-milter.json").read_text())
SECONDS = int(os.environ.get("ACME_MILTER_DASHBOARD_SECONDS", "5"))
INTERVAL = 15 if SECONDS > 60 else 1  # of the milter's counts and of Prometheus, as in their documents
MAX_BYTES = 200_000


@pytest.fixture(scope="module")
def watched(mx, new_exchange, new_milter, tmp_path_factory):
    """The traffic, and the Prometheus that saw it."""
    folder = Path(os.environ.get("ACME_MILTER_DASHBOARD_FOLDER", tmp_path_factory.mktemp("dashboard")))
    folder.mkdir(exist_ok=True)
    milters = [new_milter(("MaxMessageSize", "8k"), ("MetricsInterval", f"{INTERVAL}s")) for _ in range(2)]
    exporters, watcher = [], None
    try:
        for number, server in enumerate(milters, 1):
            server.set("MetricsFile", server.data / "acme-milter.prom")
            server.start_and_wait()
            exporters.append(prometheus.Exporter(folder, server.data, f"mx{number}"))
        watcher = prometheus.Prometheus(folder, exporters, TOP / "contrib/prometheus/acme-milter.rules.yml", INTERVAL)
        wait_for(lambda: len(watcher.query("acme_milter_build_info")) == 2, "both are read", 4 * INTERVAL + 30)
        traffic = Traffic(mx, milters, new_exchange, SECONDS)
        traffic.run()
        done = time.time()
        wait_for(lambda: watcher.query(f"min(node_textfile_mtime_seconds) > {done}"), "the last counts are read", 4 * INTERVAL + 30)
        traffic.end = time.time()
        print(f"\nfrom={int(traffic.begin * 1000)}&to={int(traffic.end * 1000)}")
        yield traffic, watcher
    finally:
        mx.proxy.milter_socket = str(mx.milter.socket)
        for each in [watcher, *exporters, *milters]:
            if each:
                each.stop()


def ask(server, kind, **arguments):
    answer = json.loads(prometheus.fetch(f"{server.url}/api/v1/{kind}?" + urllib.parse.urlencode(arguments)))
    assert answer["status"] == "success", answer
    return answer["data"]


def filled(expression, span, hosts):
    """As Grafana fills in its variables, for a data source whose scrape interval is INTERVAL."""
    for name, value in (("$__rate_interval", f"{4 * INTERVAL}s"), ("$__range", f"{math.ceil(span)}s"), ("$instance", hosts)):
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def shown(watched, expression, hosts=".*", instant=False):
    """What Grafana would draw: (labels, values) of each series, without the gaps."""
    traffic, server = watched
    query = filled(expression, traffic.end - traffic.begin, hosts)
    if instant:
        series = ask(server, "query", query=query, time=traffic.end)["result"]
        found = [(each["metric"], [float(each["value"][1])]) for each in series]
    else:
        series = ask(server, "query_range", query=query, start=traffic.begin, end=traffic.end, step=INTERVAL)["result"]
        found = [(each["metric"], [float(value) for _, value in each["values"]]) for each in series]
    return sorted(((labels, [value for value in values if math.isfinite(value)]) for labels, values in found), key=str)


def of_all(expression):
    """That of the series that stayed at zero too, which the dashboard leaves out."""
    return expression.removesuffix(" > 0")


def each_target():
    return pytest.mark.parametrize("target", [pytest.param(target, id=f"{panel['title']}-{target['refId']}")
                                              for panel in BOARD["panels"] for target in panel["targets"]])


@each_target()
def test_each_query_is_answered_with_what_its_legend_names(watched, target):
    found = shown(watched, of_all(target["expr"]), instant=target["instant"])
    assert found and any(values for _, values in found)
    for labels, _ in found:
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= set(labels)


@each_target()
def test_each_query_keeps_to_the_chosen_hosts(watched, target):
    on_both, on_one, on_none = (shown(watched, of_all(target["expr"]), hosts, target["instant"]) for hosts in ("(mx1|mx2)", "mx1", "mx3"))
    assert on_both == shown(watched, of_all(target["expr"]), instant=target["instant"])
    assert on_one and not on_none
    assert all(each.startswith('{instance=~"$instance"') for each in re.findall(r"acme_milter_\w+(.{0,30})", target["expr"]))


@pytest.mark.parametrize("panel", [pytest.param(each, id=each["title"]) for each in BOARD["panels"]])
def test_each_panel_draws_what_happened_and_no_more(watched, panel):
    drawn = [series for target in panel["targets"] for series in shown(watched, target["expr"], instant=target["instant"])]
    assert drawn
    if panel["type"] == "timeseries":
        assert all(max(values, default=0) > 0 for _, values in drawn), drawn


def test_what_did_not_happen_is_in_no_legend(watched):
    (findings,) = [panel["targets"][0]["expr"] for panel in BOARD["panels"] if panel["title"] == "Findings"]
    named = {labels["finding"] for labels, _ in shown(watched, findings)}
    assert {"dkim-fail", "list-field", "message-too-large"} <= named
    assert not named & {"dkim-expired", "header-duplicate", "token-short"}


@pytest.mark.parametrize("panel", [pytest.param(each, id=each["title"]) for each in BOARD["panels"] if each["type"] == "stat"])
def test_each_number_has_a_unit_and_thresholds_of_its_own(panel):
    """Grafana's own thresholds make all numbers from 80 on red, and its unit `short` makes 1 K of 1182."""
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    assert defaults["unit"] != "short" or panel["options"]["textMode"] == "name"


def test_the_numbers_are_what_senders_were_told(watched):
    """Also of replies that passed but that the ACME server was not there for, or did not take."""
    targets = {panel["title"]: panel["targets"][0]["expr"] for panel in BOARD["panels"] if panel["type"] == "stat"}
    numbers = {title: shown(watched, targets[title], instant=True)[0][1][0] for title in ("Passed", "Rejected", "Put off")}

    def counted(what):
        return shown(watched, f"sum(increase(acme_milter_{what}[$__range]))", instant=True)[0][1][0]
    assert sum(numbers.values()) == pytest.approx(counted("replies_total"))
    for title, verdict, outcome in (("Rejected", "reject", "refused"), ("Put off", "temperror", "unavailable")):
        ours, servers = counted(f'replies_total{{verdict="{verdict}"}}'), counted(f'endpoint_answers_total{{outcome="{outcome}"}}')
        assert ours > 0 and servers > 0 and numbers[title] == pytest.approx(ours + servers), title


def test_the_data_source_is_grafanas_default():
    """It would take the first by name."""
    (variable,) = [each for each in BOARD["templating"]["list"] if each["type"] == "datasource"]
    assert variable["current"]["value"] == "default"
    for panel in BOARD["panels"]:
        assert {each["datasource"]["uid"] for each in [panel, *panel["targets"]]} == {"${datasource}"}


def test_the_hosts_to_choose_from_are_those_of_our_counts(watched):
    query = next(each["query"] for each in BOARD["templating"]["list"] if each["name"] == "instance")
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()
    assert ask(watched[1], f"label/{label}/values", **{"match[]": metric}) == ["mx1", "mx2"]


def size_of(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_the_picture_of_the_document_is_small_and_there():
    png = (TOP / "doc/dashboard.png").read_bytes()
    assert size_of(png)[0] >= 1600 and len(png) < MAX_BYTES
    assert "(dashboard.png)" in (TOP / "doc/operations.md").read_text()
