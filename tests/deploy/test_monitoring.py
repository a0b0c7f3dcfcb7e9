"""Alerts and the dashboard ask for figures that the service has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from streamer.service.api.metrics import ServiceCollector
from streamer.service.jobs.step import StepKind
from streamer.service.pictures.pool import PoolCounts

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
ALERTS = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((MONITORING / "grafana/dashboards/veilcast.json").read_text("utf-8"))
QUESTIONS = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


def figures() -> str:
    """What a scrape says."""
    registry = CollectorRegistry()
    counts = PoolCounts(
        processes=1, busy=0, waiting=0, masked=0, refused=0, turned_away=0, dropped=0, lost=0, seconds=0
    )
    jobs = dict.fromkeys(("queued", "running", "done", "failed", "cancelled"), 0)
    steps = {(kind, at_work): 0 for kind in StepKind for at_work in (True, False)}
    registry.register(ServiceCollector(lambda: counts, lambda: jobs, lambda: steps))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()


def test_every_figure_that_is_asked_for_exists() -> None:
    there = figures()
    names = {name for question in QUESTIONS for name in re.findall(r"\b(?:veilcast|process)_\w+", question)}
    assert len(names) > 5
    assert [name for name in names if not re.search(rf"^{name}[ {{]", there, re.M)] == []
    labelled = [found for question in QUESTIONS for found in re.findall(r'(veilcast_\w+)\{(\w+="\w+")', question)]
    assert [(name, label) for name, label in labelled if not re.search(rf"^{name}\{{.*{label}", there, re.M)] == []


def test_prometheus_and_grafana_find_their_files() -> None:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == ["/etc/prometheus/alerts.yml"]
    sources = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8"))
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {sources["datasources"][0]["uid"]}
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("warning", "critical") and {"summary", "description"} <= set(
            rule["annotations"]
        )


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, which comes with Prometheus")
def test_prometheus_understands_the_alerts() -> None:
    subprocess.run(["promtool", "check", "rules", str(MONITORING / "alerts.yml")], check=True, capture_output=True)
