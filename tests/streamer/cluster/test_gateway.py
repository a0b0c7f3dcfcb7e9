"""What a gateway and a worker need to be told, and what they say if they are not."""

from __future__ import annotations

import pytest

from streamer.cli.main import main
from streamer.cluster.gateway import BrokerLink
from streamer.settings.service import ServiceConfig


@pytest.mark.usefixtures("_keep_signal_handlers")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("serve --broker redis://127.0.0.1:1/0", "set --database"),
        ("worker --broker redis://127.0.0.1:1/0 --blobs b", "needs --database, --blobs and --broker"),
    ],
)
def test_what_is_missing_is_said_in_one_line(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 2
    error = capsys.readouterr().err
    assert said in " ".join(error.split()) and "Traceback" not in error


def test_only_redis_is_a_broker() -> None:
    with pytest.raises(ValueError, match="redis://HOST/0") as caught:
        BrokerLink("amqp://me:geheim@host")
    assert "geheim" not in str(caught.value)


def test_a_gateway_with_workers_elsewhere_does_no_jobs_itself_unless_it_is_told_to() -> None:
    broker = {"broker": "redis://host/0"}
    assert ServiceConfig().own_workers == ServiceConfig().workers > 0
    assert ServiceConfig.model_validate(broker).own_workers == 0
    assert ServiceConfig.model_validate({**broker, "workers": 2}).own_workers == 2
