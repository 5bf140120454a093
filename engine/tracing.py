"""Traces for a collector of OpenTelemetry, where the settings name one. Without one nothing of it is even imported.

Spans are made by hand, and say what kind of thing was done, for how long and how it ended: no address beyond the host,
no text, no name of a person, no message of an error. docs/decisions/traces.md says why no instrumentation does it.
"""

import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.util import Finalize
from types import ModuleType
from typing import Any, cast

import structlog

logger = structlog.get_logger(__name__)

PACKAGE = "opentelemetry"
Value = str | int | float | bool
QUEUE, BATCH = 2048, 256  # spans that wait, beyond which older ones are lost; spans in a request
DELAY, TIMEOUT = 2.0, 3.0  # seconds that a span waits, and that the collector may take; at the end, twice that at most


@dataclass(frozen=True)
class Collector:
    """Where traces go. headers: such as carry a token; of this address alone."""

    endpoint: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    service: str = "ost-engine"


_collector = Collector()


def configure(endpoint: str, headers: Mapping[str, str], service: str) -> None:
    """Once, when a process starts, before redis is imported. Nothing is opened before the first span."""
    global _collector
    _collector = Collector(endpoint, tuple(headers.items()), service)
    allow(bool(endpoint))


def allow(wanted: bool) -> None:
    """Whether OpenTelemetry can be imported: redis would, for figures that nobody asks for, and take 0.1 s."""
    if not wanted:
        sys.modules.setdefault(PACKAGE, cast(ModuleType, None))  # which Python takes for "not there"
    elif PACKAGE in sys.modules and sys.modules[PACKAGE] is None:
        del sys.modules[PACKAGE]


def on() -> bool:
    return bool(_collector.endpoint)


class Nothing:
    """A span that nobody keeps."""

    def set_attribute(self, name: str, value: Value) -> None: ...
    def update_name(self, name: str) -> None: ...
    def set_status(self, status: object) -> None: ...


NOTHING = Nothing()


@contextmanager
def span(name: str, kind: str = "internal", parent: str = "", **facts: Value) -> Iterator[Any]:
    """A span around what is done, below the present one. Of what rises, the kind alone is kept.

    kind: internal, server or client. parent: what `carried` gave elsewhere; facts: names in which _ stands for a dot.
    """
    if not on():
        yield NOTHING
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode  # late, as all of it here: where no traces go, none

    with tracer(os.getpid(), _collector).start_as_current_span(
        name,
        context=context_of(parent) if parent else None,
        kind=SpanKind[kind.upper()],
        attributes={each.replace("_", "."): value for each, value in facts.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as found:
        try:
            yield found
        except BaseException as error:  # whatever rises ends the span, and rises on
            found.set_attribute("error.type", type(error).__name__)
            found.set_status(Status(StatusCode.ERROR))
            raise


def carried() -> str:
    """The present span in a form that another process goes on from: a traceparent; "" where there is none."""
    if not on():
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # late, as above

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def context_of(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # late, as above

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


@cache
def tracer(process: int, collector: Collector) -> Any:
    """Of this process: a thread sends its spans, and whoever makes them never waits for it."""
    from opentelemetry.sdk.resources import Resource  # late, as above
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": collector.service}), shutdown_on_exit=False)
    told = exporter(collector)
    sender = BatchSpanProcessor(
        told, max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=DELAY * 1000
    )
    provider.add_span_processor(sender)

    def end() -> None:
        told.gives_up = time.monotonic() + (0.0 if told.lost else TIMEOUT)
        provider.shutdown()

    Finalize(None, end, exitpriority=5)  # atexit is not for processes of multiprocessing
    return provider.get_tracer("ost-engine")


def exporter(collector: Collector) -> Any:
    """Sends spans to the collector, and says once when that fails, once when it is well again."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # late, as above

    inner = over_http(collector)

    class Told(SpanExporter):
        lost, gives_up = False, math.inf  # when, monotonic: no process waits long for its last spans

        def export(self, spans: Any) -> Any:
            if time.monotonic() >= self.gives_up:
                return SpanExportResult.FAILURE
            try:
                result = inner.export(spans)
            except Exception as error:  # noqa: BLE001  a collector may answer anything, and must stop nothing
                logger.debug("traces_refused", error=type(error).__name__)
                result = SpanExportResult.FAILURE
            lost = result is not SpanExportResult.SUCCESS
            if lost != self.lost:
                logger.warning("traces_lost" if lost else "traces_sent_again", collector=collector.endpoint)
            self.lost = lost
            return result

        def shutdown(self) -> None:
            inner.shutdown()

    return Told()


def over_http(collector: Collector) -> Any:
    """OpenTelemetry's own exporter, as quiet and as bounded as all that we send."""
    import requests  # late, as above: nothing else of ours uses it
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a line a batch, while a collector is away
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc
    session.max_redirects = 0
    return OTLPSpanExporter(
        endpoint=f"{collector.endpoint}/v1/traces",
        headers=dict(collector.headers),
        timeout=TIMEOUT,
        session=session,
    )
