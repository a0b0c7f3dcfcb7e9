"""What roles allow."""

from __future__ import annotations

from streamer.service.access.caller import Caller, Role, local_caller


def test_each_role_stands_alone_and_an_admin_has_all() -> None:
    for role in Role:
        caller = Caller("x", frozenset({role}))
        assert {other for other in Role if caller.may(other)} == (set(Role) if role is Role.ADMIN else {role})
    assert not any(Caller("x", frozenset()).may(role) for role in Role)


def test_whoever_is_at_the_machine_may_do_all_without_limits() -> None:
    caller = local_caller("127.0.0.1")
    assert (caller.owner, caller.address, caller.max_jobs, caller.max_bytes) == ("local", "127.0.0.1", None, None)
    assert all(caller.may(role) for role in Role)
