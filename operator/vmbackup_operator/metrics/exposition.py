"""The text of /metrics, in the form that whoever scrapes asks for.

What is known is taken in the event loop, at once. The text is made of it elsewhere, since that
takes a while where there are thousands of sessions.
"""

from __future__ import annotations

import importlib.metadata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from typing_extensions import override

from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.metrics.facts import Facts
from vmbackup_operator.metrics.families import FAMILIES, Family, Sample
from vmbackup_operator.metrics.objects_told import policies_told, repositories_told, sessions_told
from vmbackup_operator.metrics.picture import Picture

#: So many series one metric has at most: what a tenant makes many of must not fill Prometheus.
MOST_SERIES = 2000


@dataclass(frozen=True, slots=True)
class Told:
    """What is told at one moment: of the process, and of the picture where this one leads."""

    of_process: Sequence[Sample]
    facts: Facts | None


class Exposition:
    """What one process tells; a standby tells of itself alone."""

    def __init__(self, arm: ArmCounts) -> None:
        self._arm = arm
        self._picture: Picture | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)

    def lead(self, picture: Picture | None) -> None:
        """Tell what *picture* knows from here on."""
        self._picture = picture

    def take(self, lag_s: float) -> Told:
        """Return what is known at this moment; *lag_s* is how late the event loop is."""
        version = importlib.metadata.version("vmbackup")
        of_process = [
            Sample("vmbackup_leader", self._picture is not None),
            Sample("vmbackup_build_info", 1, (version,)),
            Sample("vmbackup_event_loop_lag_seconds", lag_s),
            *self._arm.told(),
        ]
        return Told(of_process, None if self._picture is None else self._picture.facts())

    def text(self, told: Told, accept: str) -> tuple[bytes, str]:
        """Return the text of *told*, in a form that *accept* names, and its content type."""
        encode, content_type = choose_encoder(accept)
        samples = [*told.of_process, *samples_of(told.facts)]
        return encode(_Everything(self._registry, samples)), content_type


class _Everything(CollectorRegistry):
    """The process's own metrics, and these samples."""

    def __init__(self, process: CollectorRegistry, samples: Sequence[Sample]) -> None:
        super().__init__(auto_describe=False)
        self.register(_Samples(samples))
        self._process = process

    @override
    def collect(self) -> Iterator[Metric]:
        yield from self._process.collect()
        yield from super().collect()


@dataclass(frozen=True, eq=False)
class _Samples(Collector):
    samples: Sequence[Sample]

    @override
    def collect(self) -> Iterable[Metric]:
        by_name: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in self.samples:
            by_name[sample.name].append(sample)
        left_out = Counter[str]()
        for name, family in FAMILIES.items():
            some = sorted(by_name[name], key=lambda sample: sample.labels)
            if len(some) > MOST_SERIES:
                left_out[name] = len(some) - MOST_SERIES
            if some:
                yield _metric(family, some[:MOST_SERIES])
        if left_out:
            name = "vmbackup_series_left_out"
            counted = [Sample(name, number, (metric,)) for metric, number in left_out.items()]
            yield _metric(FAMILIES[name], counted)


def _metric(family: Family, samples: Iterable[Sample]) -> Metric:
    of_kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = of_kind(family.name, family.help, labels=family.labels)
    for sample in samples:
        metric.add_metric(sample.labels, sample.value)
    return metric


def samples_of(facts: Facts | None) -> Iterator[Sample]:
    """Yield what is told of *facts*: the same of the same, whoever has come to know them."""
    if facts is None:
        return
    yield from policies_told(facts)
    yield from sessions_told(facts)
    yield from repositories_told(facts)
    yield from _counted("vmbackup_workers", facts.workers)
    serving = sum(1 for each in facts.unfinished if each.status.worker is not None)
    yield Sample("vmbackup_serving_workers", serving)
    if facts.orphans is not None:
        yield from _counted("vmbackup_orphans", facts.orphans.counts)
        looked = facts.orphans.looked.timestamp()
        yield Sample("vmbackup_sweeper_last_look_timestamp_seconds", looked)
    for labels, number in facts.queue.items():
        yield Sample("vmbackup_work_queue_objects", number, labels)


def _counted(name: str, counts: Mapping[str, int] | None) -> Iterator[Sample]:
    for label, number in ({} if counts is None else counts).items():
        yield Sample(name, number, (label,))
