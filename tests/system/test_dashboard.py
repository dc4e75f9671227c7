# SPDX-License-Identifier: BSD-2-Clause
"""The picture of the dashboard that doc/operations.md shows: real replies through Postfix and the milter, counted by it,
read by node_exporter and Prometheus, drawn by harness/dashboard.py.

ACME_MILTER_PICTURE=doc/dashboard.png ACME_MILTER_PICTURE_SECONDS=300 tests/system/run -k test_dashboard    makes it anew
"""
import json
import os
import random
import struct
import time
from pathlib import Path

from harness import dashboard, prometheus
from harness.dns import BOGUS, SIGNED, UNSIGNED
from harness.process import wait_for
from harness.replies import good_reply

from conftest import CA_DOMAIN

TOP = Path(__file__).resolve().parents[2]
BOARD = TOP / "contrib/grafana/acme-milter.json"
MAX_BYTES = 200_000
CAPTION = ("Drawn by tests/system/harness/dashboard.py, not by Grafana, from the queries of contrib/grafana/acme-milter.json to a real "
           "Prometheus.\n{} s of test mail through Postfix and acme-milter; the ACME server was away for a fifth of it.")


def send_one(mx, new_exchange, kind):
    zone = {"bogus": BOGUS, "plain": UNSIGNED}.get(kind, SIGNED)
    exchange = new_exchange("alice@" + zone)
    if kind == "wrong":
        exchange.digest = "A" * 43
    if kind == "other":
        mx.send(exchange, good_reply(exchange), recipients="somebody@" + CA_DOMAIN)
    elif kind == "tokenless":
        mx.send(exchange, exchange.sign(good_reply(exchange).set("Subject", "Re: your mail")))
    elif kind == "large":
        mx.send(exchange, exchange.sign(good_reply(exchange).bytes() + b"x" * 70 + b"\r\n" * 5000))
    elif kind == "unsigned":
        mx.send(exchange, good_reply(exchange))
    else:
        mx.send(exchange, exchange.sign(good_reply(exchange)))


def send_for(mx, new_exchange, seconds):
    """All kinds of mail, mostly good; in the fourth fifth of the time the ACME server is away."""
    chance, begin = random.Random(8823), time.time()
    kinds = ["good"] * 10 + ["plain"] * 4 + ["other"] * 4 + ["unsigned"] * 3 + ["tokenless", "wrong", "bogus", "large"]
    while time.time() < begin + seconds:
        is_away = begin + seconds * 3 / 5 < time.time() < begin + seconds * 4 / 5
        if is_away == bool(mx.acme.process):
            (mx.acme.stop if is_away else mx.acme.start)()
        send_one(mx, new_exchange, chance.choice(kinds))
    if not mx.acme.process:
        mx.acme.start()
    return begin


def size_of(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_dashboard_is_drawn_from_real_counts(mx, new_exchange, new_milter, tmp_path):
    seconds = int(os.environ.get("ACME_MILTER_PICTURE_SECONDS", "5"))
    path = Path(os.environ.get("ACME_MILTER_PICTURE", tmp_path / "dashboard.png"))
    server = new_milter(("MaxMessageSize", "8k"), ("MetricsInterval", "1s"))
    server.set("MetricsFile", server.data / "acme-milter.prom")
    board = json.loads(BOARD.read_text())
    with mx.with_milter(server):
        wait_for((server.data / "acme-milter.prom").exists, "the first counts")
        exporter = prometheus.Exporter(tmp_path, server.data)
        watcher = prometheus.Prometheus(tmp_path, exporter, TOP / "contrib/prometheus/acme-milter.rules.yml")
        try:
            begin = send_for(mx, new_exchange, seconds)
            wait_for(lambda: watcher.query('sum(acme_milter_replies_total) > 0'), "the counts are read")
            drawn = dashboard.draw(board, watcher, begin, time.time(), path, CAPTION.format(seconds))
        finally:
            watcher.stop()
            exporter.stop()
    assert len(drawn) == len(board["panels"]) > 15
    png = path.read_bytes()
    assert size_of(png)[0] > 900 and len(png) < MAX_BYTES


def test_the_picture_of_the_document_is_small_and_there():
    png = (TOP / "doc/dashboard.png").read_bytes()
    assert size_of(png)[0] > 900 and len(png) < MAX_BYTES
    assert "(dashboard.png)" in (TOP / "doc/operations.md").read_text()
