"""What one thread hands to another is done once, or said not to be."""

from __future__ import annotations

import pytest

from sim2real.runtime.jobs import JobQueue, QueueClosed


def test_jobs_are_done_once_and_in_their_order():
    queue, done = JobQueue(), []
    queue.open()
    futures = [queue.put(lambda number=number: done.append(number)) for number in range(3)]

    assert len(queue) == 3
    queue.run()
    queue.run()

    assert done == [0, 1, 2]
    assert all(future.done() for future in futures)


def test_what_a_job_raises_is_raised_where_it_is_waited_for_and_stops_no_other():
    queue = JobQueue()
    queue.open()
    bad, good = queue.put(lambda: 1 / 0), queue.put(lambda: 7)
    queue.run()

    assert good.result(0) == 7
    with pytest.raises(ZeroDivisionError):
        bad.result(0)


def test_nobody_waits_for_a_queue_that_is_closed():
    queue = JobQueue()
    with pytest.raises(QueueClosed):
        queue.put(lambda: None)
    queue.open()
    future = queue.put(lambda: None)
    queue.close()

    with pytest.raises(QueueClosed):
        future.result(0)
    with pytest.raises(QueueClosed):
        queue.put(lambda: None)
    queue.open()
    assert queue.put(lambda: None)
