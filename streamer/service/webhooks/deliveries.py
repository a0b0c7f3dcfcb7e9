"""Which webhooks are to be sent, when, and what became of them: rows of the database, so that none is forgotten."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from streamer.service.jobs.event import WebhookEvent
from streamer.service.store.blobs import new_id
from streamer.service.store.database import Database
from streamer.service.store.tables import DeliveryRow, JobRow
from streamer.service.webhooks.signing import new_webhook_secret, parse_webhook_secret, webhook_secret_text
from streamer.service.webhooks.target import WebhookPolicy, checked_webhook_url

_MINUTE, _HOUR = 60.0, 3600.0
SCHEDULE: Final = (
    5.0,
    *(5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
"""s from each failed attempt to the next one. There is one attempt more than there are pauses."""
_OUTCOME: Final = 200  # characters that the table holds
_LONGEST_PAUSE: Final = 24 * _HOUR  # that a receiver can ask for
_CLAIM: Final = 60.0  # s that a claim lasts: longer than any attempt, so nobody else sends meanwhile


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt that its holder alone is to make. `attempt` counts from 1; `id` is the same in every attempt."""

    number: int
    id: str
    job: str
    attempt: int
    url: str = field(repr=False)  # may hold a receiver's password
    secret: bytes = field(repr=False)
    body: str = field(repr=False)


class Deliveries:
    """Plans webhooks and keeps account of them. Thread-safe. All but the first three may raise BusyError."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] | None = None,
        policy: WebhookPolicy | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
    ) -> None:
        """`jitter`: what each pause is multiplied by, so that a receiver that comes back is not run over."""
        self._database, self._clock, self._jitter = database, clock or database.now, jitter
        self._policy = policy or WebhookPolicy()

    def plan(self, session: Session, job: str, url: str, secret: str | None) -> str:
        """Note, in the transaction that submits the job, that its end is to be told. Returns the secret: `whsec_...`.

        If the client gives no secret, one is made: tell the client, since it is shown nowhere else. Raises
        InvalidWebhookError.
        """
        checked = checked_webhook_url(url, self._policy)
        key = new_webhook_secret() if secret is None else parse_webhook_secret(secret)
        session.add(DeliveryRow(id=f"msg_{new_id()}", job=job, url=checked, secret=key, attempts=0))
        session.flush()
        return webhook_secret_text(key)

    def ended(self, session: Session, job: str, event: WebhookEvent, body: str) -> None:
        """Have it told, in the transaction that ends the job. Does nothing for a job without webhook, or twice."""
        waiting = (DeliveryRow.job == job, DeliveryRow.event.is_(None), DeliveryRow.outcome.is_(None))
        session.execute(
            update(DeliveryRow).where(*waiting).values(event=str(event), body=body, due=self._clock()),
            execution_options={"synchronize_session": False},
        )

    def forget(self, session: Session, job: str) -> None:
        """Remove, in the transaction that deletes the job, what is not to be sent. The rest is still sent."""
        session.execute(
            delete(DeliveryRow).where(DeliveryRow.job == job, DeliveryRow.due.is_(None)),
            execution_options={"synchronize_session": False},
        )

    def claim(self, most: int) -> list[Delivery]:
        """At most so many of those that are due, the longest due first. Nobody else gets them for a minute."""
        now = self._clock()
        # One that was never tried does not wait, even if the clock was set back since its job ended.
        ripe = (DeliveryRow.due <= now) | (DeliveryRow.due.is_not(None) & (DeliveryRow.attempts == 0))
        due = select(DeliveryRow).where(ripe).order_by(DeliveryRow.due).limit(most)
        with self._database.reading() as session:  # most looks find nothing, and need not lock others out
            if session.scalar(due.with_only_columns(DeliveryRow.number)) is None:
                return []
        claimed = []
        with self._database.writing() as session:
            for row in session.scalars(due).all():
                if row.attempts > len(SCHEDULE):  # its attempts ended with the program's end, each time
                    _finish(session, row.number, row.job, "gave up: interrupted each time")
                    continue
                mine = session.scalar(
                    update(DeliveryRow)
                    # Whoever counts the attempt has it: where writers are not one at a time, the other finds nothing.
                    .where(DeliveryRow.number == row.number, DeliveryRow.attempts == row.attempts)
                    .values(attempts=row.attempts + 1, due=now + _CLAIM)
                    .returning(DeliveryRow.number)
                    .execution_options(synchronize_session=False)
                )
                if mine is not None:
                    attempt = row.attempts + 1
                    claimed.append(Delivery(row.number, row.id, row.job, attempt, row.url, row.secret, row.body or ""))
        return claimed

    def succeeded(self, delivery: Delivery) -> None:
        """The receiver has it: nothing of it is kept."""
        with self._database.writing() as session:
            session.execute(delete(DeliveryRow).where(DeliveryRow.number == delivery.number))

    def failed(self, delivery: Delivery, line: str, retry_after: float | None = None) -> float | None:
        """Try again later, or give up. Returns the s until the next attempt; None: there is none.

        `line`: what happened; `retry_after`: s that the receiver asks to wait for. It can only make the pause longer,
        and not longer than a day.
        """
        pause = None
        if delivery.attempt <= len(SCHEDULE):
            pause = SCHEDULE[delivery.attempt - 1] * self._jitter()
            pause = max(pause, min(retry_after or 0.0, _LONGEST_PAUSE))
        with self._database.writing() as session:
            mine = (
                DeliveryRow.number == delivery.number,
                DeliveryRow.attempts == delivery.attempt,
                DeliveryRow.due.is_not(None),
            )
            # A claim that has run out and is another's by now changes nothing.
            if session.scalar(select(DeliveryRow.number).where(*mine).with_for_update()) is None:
                return None
            if pause is None:
                _finish(session, delivery.number, delivery.job, f"gave up: {line}")
            else:
                due = self._clock() + pause
                session.execute(update(DeliveryRow).where(*mine).values(due=due, outcome=line[:_OUTCOME]))
        return pause

    def gone(self, delivery: Delivery) -> int:
        """The receiver wants no more (410): end this one, and all that its owner has for this URL. Returns how many."""
        owner = select(JobRow.owner).where(JobRow.id == delivery.job).scalar_subquery()
        pending = select(DeliveryRow.number, DeliveryRow.job).where(
            DeliveryRow.url == delivery.url,
            (DeliveryRow.number == delivery.number)
            | DeliveryRow.job.in_(select(JobRow.id).where(JobRow.owner == owner)),
        )
        with self._database.writing() as session:
            found = session.execute(pending).all()
            for number, job in found:
                _finish(session, number, job, "gave up: the receiver wants no more (410)")
        return len(found)


def _finish(session: Session, number: int, job: str, outcome: str) -> None:
    """Nothing more to try: keep what became of it as long as its job, but neither secret nor URL nor body."""
    if session.scalar(select(JobRow.id).where(JobRow.id == job)) is None:
        session.execute(delete(DeliveryRow).where(DeliveryRow.number == number))
        return
    blank = {"due": None, "secret": b"", "url": "", "body": None, "outcome": outcome[:_OUTCOME]}
    session.execute(update(DeliveryRow).where(DeliveryRow.number == number).values(blank))
