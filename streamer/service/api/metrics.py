"""`GET /metrics`: the service's counters in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from streamer.service.access.caller import Caller, Role
from streamer.service.http.callers import needs
from streamer.service.jobs.step import StepKind
from streamer.service.pictures.pool import PoolCounts

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Numbers = Callable[[], Mapping[str, int]]
"""Called at each scrape, in a thread of its own: numbers by name."""

Operator = Annotated[Caller, Depends(needs(Role.OPERATE))]


class ServiceCollector(Collector):
    """Reads everything at each scrape. No label holds the name of a person, a file or a token."""

    def __init__(
        self,
        pictures: Callable[[], PoolCounts],
        jobs: Numbers,
        steps: Callable[[], Mapping[tuple[StepKind, bool], int]],
    ) -> None:
        """`steps`: those that are at work (True) and those that wait."""
        self._pictures, self._jobs, self._steps = pictures, jobs, steps

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        counts = self._pictures()
        answers = {"masked": counts.masked, "refused": counts.refused}
        answers |= {"turned_away": counts.turned_away, "dropped": counts.dropped}
        yield _counter("pictures", "Pictures sent in, by how they were answered.", "answer", answers)
        yield CounterMetricFamily(
            "veilcast_picture_seconds", "Time that processes spent on pictures.", value=counts.seconds
        )
        yield CounterMetricFamily(
            "veilcast_picture_processes_lost", "Picture processes that died or were killed.", value=counts.lost
        )
        yield GaugeMetricFamily(
            "veilcast_picture_processes", "Processes that can mask pictures.", value=counts.processes
        )
        yield GaugeMetricFamily("veilcast_pictures_in_work", "Pictures being masked.", value=counts.busy)
        jobs = self._jobs()
        yield _gauge("jobs", "Jobs that are known, by state.", "state", jobs)
        waiting = {"pictures": counts.waiting, "jobs": jobs.get("queued", 0)}
        yield _gauge("waiting", "What waits in a queue.", "queue", waiting)
        text = "Steps of jobs: whole files, units of long videos, and their joining."
        steps = GaugeMetricFamily("veilcast_steps", text, labels=("step", "state"))
        for (kind, at_work), number in self._steps().items():
            steps.add_metric((kind, "running" if at_work else "waiting"), number)
        yield steps


def metrics_routes(collector: Collector) -> APIRouter:
    """The route, for operators. `collector`: what else there is besides figures of this process."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    router = APIRouter(tags=["service"])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(_: Operator) -> Response:
        """Counters for Prometheus."""
        text = await run_in_threadpool(generate_latest, registry)
        return Response(text, headers={"Content-Type": _TYPE, "Cache-Control": "no-store"})

    return router


def _counter(name: str, text: str, label: str, numbers: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"veilcast_{name}", text, labels=(label,))
    for value, number in numbers.items():
        family.add_metric((value,), number)
    return family


def _gauge(name: str, text: str, label: str, numbers: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"veilcast_{name}", text, labels=(label,))
    for value, number in numbers.items():
        family.add_metric((value,), number)
    return family
