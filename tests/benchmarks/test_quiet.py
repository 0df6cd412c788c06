"""How quiet a machine was, from two looks at its processors."""

import subprocess
import sys

from benchmarks import quiet


def moment(wall_s: float, busy_s: float, steal_s: float, own_s: float) -> quiet.Moment:
    return quiet.Moment(wall_s, busy_s, steal_s, own_s, None)


def test_what_host_and_others_took_is_a_share_of_all_processors(monkeypatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    found = quiet.shares(moment(0, 100, 5, 50), moment(10, 116, 6, 60))
    assert found["host"] == 0.05
    assert found["others"] == 0.3


def test_a_quiet_run_needs_no_remark() -> None:
    assert quiet.remarks({"host": 0.01, "others": 0.02}, {"npy": 0.97}) == []


def test_each_disturbance_and_a_share_above_the_engine_is_said() -> None:
    found = quiet.remarks({"host": 0.1, "others": 0.3}, {"npy": 1.2, "json": 0.9})
    assert ["host took 10%" in found[0], "programs took 30%" in found[1], "npy at 1.2" in found[2]] == [True] * 3
    assert len(found) == 3


def test_the_work_of_an_ended_child_is_our_own() -> None:
    before = quiet.now()
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    after = quiet.now()
    assert after.own_s - before.own_s > 0.05
    assert after.busy_s >= before.busy_s
