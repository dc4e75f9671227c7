# SPDX-License-Identifier: BSD-2-Clause
"""Debian's node_exporter and Prometheus on loopback, to read what the milter counts as an operator's would."""
import json
import subprocess
import urllib.parse
import urllib.request

from .process import Process, free_port


def promtool(*arguments, stdin=None):
    """Exit code and all that it says."""
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def answers(url):
    try:
        return bool(fetch(url))
    except OSError:
        return False


class Exporter:
    """node_exporter with nothing but its textfile collector. `host`: what Prometheus is to call its instance."""

    def __init__(self, folder, texts, host=None):
        self.port = free_port()
        self.target = {"targets": [f"127.0.0.1:{self.port}"], "labels": {"instance": host} if host else {}}
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        self.process = Process(["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                                f"--collector.textfile.directory={texts}", f"--web.listen-address=127.0.0.1:{self.port}"],
                               folder / "node-exporter.log")
        self.process.wait_until(lambda: answers(self.url), "node_exporter answers")

    def text(self):
        return fetch(self.url)

    def stop(self):
        self.process.stop()


class Prometheus:
    """Asks exporters every `interval` seconds, and knows our alerts."""

    def __init__(self, folder, exporters, rules, interval=1):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": f"{interval}s", "evaluation_interval": f"{interval}s"}, "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "node", "static_configs": [each.target for each in exporters]}]}))
        self.process = Process(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                                f"--web.listen-address=127.0.0.1:{self.port}"], folder / "prometheus.log")
        self.process.wait_until(lambda: answers(self.url + "/-/ready"), "Prometheus answers")

    def query(self, expression):
        """The result vector: (labels, value) pairs."""
        text = fetch(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        answer = json.loads(text)
        assert answer["status"] == "success", answer
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def alerts(self):
        """Names of those that fire or wait."""
        return {each["labels"]["alertname"] for each in json.loads(fetch(self.url + "/api/v1/alerts"))["data"]["alerts"]}

    def stop(self):
        self.process.stop()
