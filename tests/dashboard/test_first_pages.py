"""First pages: so many at a time, and nobody is kept out for good."""

import threading
from types import SimpleNamespace

import pytest

from dashboard.services.server import first_pages
from dashboard.services.server.first_pages import AT_ONCE, in_turn


class Crowd:
    """Visitors who draw pages until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mine, self.inside, self.leave = threading.local(), [], threading.Event()
        monkeypatch.setattr(first_pages, "st", SimpleNamespace(session_state=self))
        monkeypatch.setattr(first_pages, "_places", threading.BoundedSemaphore(AT_ONCE))
        self.counted = threading.Condition()

    def get(self, key: str) -> object:
        return getattr(self.mine, key.replace(".", "_"), None)

    def __setitem__(self, key: str, value: object) -> None:
        setattr(self.mine, key.replace(".", "_"), value)

    def arrive(self, *, again: bool = False) -> threading.Thread:
        """A visitor who draws a page; `again`, who has had one before."""

        def draw() -> None:
            if again:
                self[first_pages.SEEN] = True
            with in_turn():
                with self.counted:
                    self.inside.append(again)
                    self.counted.notify_all()
                self.leave.wait(10)

        thread = threading.Thread(target=draw)
        thread.start()
        return thread

    def wait_for(self, many: int) -> None:
        with self.counted:
            assert self.counted.wait_for(lambda: len(self.inside) >= many, timeout=10)


def test_who_has_a_page_does_not_wait_for_those_who_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_pages, "PATIENCE", 30.0)
    crowd = Crowd(monkeypatch)
    threads = [crowd.arrive() for _ in range(AT_ONCE + 3)]
    crowd.wait_for(AT_ONCE)
    threads.append(crowd.arrive(again=True))
    crowd.wait_for(AT_ONCE + 1)
    assert crowd.inside == [False] * AT_ONCE + [True]
    crowd.leave.set()
    for thread in threads:
        thread.join(10)
    assert len(crowd.inside) == len(threads)


def test_a_page_that_takes_long_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_pages, "PATIENCE", 0.05)
    crowd = Crowd(monkeypatch)
    threads = [crowd.arrive() for _ in range(AT_ONCE + 2)]
    crowd.wait_for(len(threads))
    crowd.leave.set()
    for thread in threads:
        thread.join(10)
    # who had no place gives none back
    assert first_pages._places._value == AT_ONCE
