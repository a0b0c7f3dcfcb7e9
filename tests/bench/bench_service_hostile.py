"""The service under attack: damaged videos as jobs, damaged pictures, slow bodies, and guesses by time.

    python -m tests.bench.bench_service_hostile [--videos 500] [--pictures 3000] [--slow 100] [--guesses 2000]

Prints what became of each kind, the memory before and after, and the times of answers about another's things and about
nobody's. Exits with 1 if a job had no proper end, a copy showed a face, a picture was answered with neither a masked
picture nor one line, memory grew by more than 100 MB, a process was left over, slow bodies kept others out, or the
times tell whether a thing of another exists.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.bench.fuzz.seeds import cache
from tests.bench.fuzz.service_runs import job_processes, job_runs
from tests.rigs.service.damaged_pictures import coded, mutated_picture
from tests.rigs.service.pool_memory import resident
from tests.rigs.service.raw_http import connected, head
from tests.rigs.service.running import photo, running_service, submitted

MOST_GROWTH = 100e6
FIRST, SEED = 40_000, 20_261_127
SURE = 4.0
"""Standard errors from which on a difference of two medians is one."""
MATTERS = 20e-6  # seconds; what is less, no network lets anybody see
BLOCKS = 20


def main() -> int:
    """Attack and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first video (see bench_fuzz)")
    parser.add_argument("--looks", type=int, default=5, help="look for faces in one of so many copies")
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--slow", type=int, default=100)
    parser.add_argument("--guesses", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_service(folder / "data", upload_mb=100) as client:
            client.post("/v1/pictures", content=photo(0.25)).raise_for_status()
            fine = [pictures(client, options.pictures // 10)]  # what is loaded once counts before
            before = resident([os.getpid()])
            fine += [pictures(client, options.pictures), slow_bodies(client, options.slow)]
            fine += [videos(client, folder, options.first, options.videos, options.looks)]
            after = resident([os.getpid()])
            say(f"memory of the server: {before / 1e6:.0f} MB, then {after / 1e6:.0f} MB")
            fine += [after - before < MOST_GROWTH, client.get("/readyz").json()["ready"], not job_processes()]
        fine += [guesses(folder / "other", options.guesses)]
    return 0 if all(fine) else 1


def videos(client: httpx.Client, folder: Path, first: int, count: int, looks: int) -> bool:
    """Damaged videos, one job after the other; whether each had a proper end."""
    states, looked, begun = Counter[str](), 0, time.monotonic()
    bad = 0
    with job_runs(client, cache(), folder / "runs") as runs:
        for number in range(first, first + count):
            found = runs.run(number, look=number % looks == 0)
            states[found.state] += 1
            looked += found.looked
            bad += bool(found.wrong)
            for line in found.wrong:
                say(f"  run {number}: {line}")
    took = time.monotonic() - begun
    say(f"{count} damaged videos: {dict(states)}, {bad} bad, {looked} copies searched for faces, {took:.0f} s")
    left = job_processes()
    say(f"processes left over: {len(left)}")
    return bad == 0 and not left


def pictures(client: httpx.Client, count: int) -> bool:
    """Damaged pictures; whether each was masked or refused in one line."""
    chance, statuses, bad = random.Random(SEED), Counter[int](), 0
    seeds = [coded(form, 48) for form in ("JPEG", "PNG", "WEBP", "TIFF")]
    for number in range(count):
        answer = client.post("/v1/pictures", content=mutated_picture(chance, seeds[number % len(seeds)]))
        statuses[answer.status_code] += 1
        masked = answer.status_code == 200 and answer.headers["content-type"].startswith("image/")
        if not masked and (answer.status_code not in (413, 415, 422) or "\n" in answer.json()["detail"]):
            bad += 1
            say(f"  picture {number}: {answer.status_code} {answer.text[:200]}")
    say(f"{count} damaged pictures: {dict(statuses)}, {bad} bad")
    return bad == 0


def slow_bodies(client: httpx.Client, count: int) -> bool:
    """Bodies of which one byte has come, and others beside them; whether those were served."""
    with ExitStack() as stack:
        for number in range(count):
            path = ("/v1/uploads", "/v1/pictures", "/v1/jobs")[number % 3]
            slow = stack.enter_context(connected(client))
            slow.sendall(head(client, "POST", path, Content_Type="application/json", Content_Length=50_000) + b"{")
        begun = time.monotonic()
        answers = [
            client.post("/v1/uploads", content=bytes(1 << 20)).status_code,
            client.post("/v1/pictures", content=photo(0.25)).status_code,
            client.get("/v1/jobs").status_code,
        ]
        say(f"beside {count} slow bodies: {answers} in {time.monotonic() - begun:.1f} s")
    return answers == [201, 200, 200]


def guesses(folder: Path, count: int) -> bool:
    """Times of answers to Ben about things of Anna's and of nobody's, in turns; whether they are the same."""
    with running_service(folder, "an admin's long secret", workers=0) as admin:
        of = [
            admin.post("/v1/tokens", json={"label": name, "roles": ["submit"]}).raise_for_status().json()["secret"]
            for name in ("anna", "ben")
        ]
        anna, ben = (
            httpx.Client(base_url=admin.base_url, headers={"Authorization": f"Bearer {one}"}, timeout=60) for one in of
        )
        with anna, ben:
            job = submitted(anna, b"Anna's film")["id"]
            upload = anna.post("/v1/uploads", content=b"another").json()["id"]
            return all(
                [
                    same_time(ben, f"/v1/jobs/{job}", "/v1/jobs/{}", count),
                    same_time(ben, f"/v1/jobs/{job}/result", "/v1/jobs/{}/result", count),
                    same_time(ben, f"/v1/uploads/{upload}", "/v1/uploads/{}", count),
                ]
            )


def same_time(client: httpx.Client, theirs: str, nobodys: str, count: int) -> bool:
    """Whether answers about another's thing and about none take the same time, as far as can be told."""
    chance = random.Random(SEED)

    def timed(path: str) -> float:
        begun = time.perf_counter()
        assert client.get(path).status_code == 404
        return time.perf_counter() - begun

    def differences() -> Iterator[tuple[float, float, float]]:
        """Medians of a block: another's, nobody's, nobody's again."""
        for _ in range(BLOCKS):
            found: tuple[list[float], ...] = ([], [], [])
            for _ in range(max(5, count // BLOCKS)):
                kinds = [0, 1, 2]
                chance.shuffle(kinds)  # what comes first in a round must not have an advantage
                for kind in kinds:
                    found[kind].append(
                        timed(theirs if kind == 0 else nobodys.format(f"{chance.getrandbits(128):032x}"))
                    )
            first, second, third = map(statistics.median, found)
            yield first, second, third

    blocks = list(differences())
    gaps, noise = [a - b for a, b, _ in blocks], [b - c for _, b, c in blocks]
    gap, error = statistics.median(gaps), statistics.stdev(gaps) / BLOCKS**0.5
    usual = statistics.median(b for _, b, _ in blocks)
    say(
        f"GET {nobodys}: {usual * 1e3:.2f} ms; another's {gap * 1e6:+.0f} us (standard error {error * 1e6:.0f}), "
        f"none against none {statistics.median(noise) * 1e6:+.0f} us"
    )
    return bool(abs(gap) < max(SURE * error, MATTERS))


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
