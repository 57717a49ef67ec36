"""The next thing is there before it is asked for, and nothing is kept for ever."""

import threading
import time

import pytest

from cryoal.annotate.prefetch import Prefetch


def until(condition, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return bool(condition())


def test_what_was_looked_ahead_for_is_there_at_once():
    loaded = []
    cache = Prefetch(lambda key: loaded.append(key) or key * 2, ahead=4)
    cache.look_ahead(range(10))
    assert until(lambda: all(key in cache for key in range(4)))
    assert [cache.get(key) for key in range(4)] == [0, 2, 4, 6]
    assert sorted(loaded) == [0, 1, 2, 3]
    cache.close()


def test_going_back_loads_nothing_again():
    loaded = []
    cache = Prefetch(lambda key: loaded.append(key) or key, ahead=3)
    for key in (0, 1, 2, 1, 0, 2):
        assert cache.get(key) == key
    assert loaded == [0, 1, 2]
    cache.close()


def test_what_is_wanted_now_does_not_wait_behind_what_may_be_wanted_later():
    gate = threading.Event()

    def load(key: int) -> int:
        if key < 2:
            gate.wait(10)
        return key

    cache = Prefetch(load, ahead=8, workers=2)
    cache.look_ahead(range(8))  # 0 and 1 hold both threads
    assert cache.get(5) == 5
    gate.set()
    assert cache.get(0) == 0
    cache.close()


def test_looking_elsewhere_gives_up_what_has_not_begun():
    gate, begun = threading.Event(), []

    def load(key: int) -> int:
        begun.append(key)
        gate.wait(10)
        return key

    cache = Prefetch(load, ahead=4, workers=1)
    cache.look_ahead([0, 1, 2, 3])
    assert until(lambda: begun == [0])
    cache.look_ahead([7, 8])
    gate.set()
    assert until(lambda: 8 in cache)
    assert begun == [0, 7, 8]
    cache.close()


def test_the_cache_stays_bounded():
    cache = Prefetch(lambda key: key, ahead=2)
    for key in range(100):
        cache.look_ahead(range(key, key + 5))
        assert cache.get(key) == key
        assert len(cache) <= 5
    cache.close()


def test_what_fails_says_so_and_is_tried_again():
    ill = {"now": True}

    def load(key: str) -> str:
        if ill["now"]:
            raise OSError("the disk is gone")
        return key

    cache = Prefetch(load, ahead=2)
    with pytest.raises(OSError, match="the disk is gone"):
        cache.get("a")
    cache.look_ahead(["b"])
    assert until(lambda: cache._kept["b"].done())
    assert "b" not in cache
    ill["now"] = False
    assert cache.get("a") == "a"
    assert cache.get("b") == "b"
    cache.close()


def test_forgetting_loads_anew():
    versions = iter("xy")
    cache = Prefetch(lambda key: key + next(versions), ahead=2)
    assert cache.get("a") == "ax"
    cache.forget()
    assert cache.get("a") == "ay"
    cache.close()


def test_closing_ends_the_threads_and_leaves_get_working():
    before = threading.active_count()
    cache = Prefetch(lambda key: key, ahead=4)
    cache.look_ahead(range(4))
    cache.close()
    cache.close()
    assert threading.active_count() == before
    cache.look_ahead(range(4))
    assert cache.get(9) == 9
    assert threading.active_count() == before


def test_many_threads_may_ask_at_once():
    cache = Prefetch(lambda key: key, ahead=4, workers=3)
    wrong = []

    def ask(start: int) -> None:
        for step in range(300):
            key = (start * 7 + step) % 20
            cache.look_ahead(range(key, key + 4))
            if cache.get(key) != key:
                wrong.append(key)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)
    cache.close()
