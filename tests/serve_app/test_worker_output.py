"""What Ray's workers print, line by line and with its source, where Ray's log monitor is left out."""

from pathlib import Path

import pytest

from serve_app.worker_output import WorkerOutput, repeat_worker_output

PRELUDE = ":job_id:01000000\n:actor_name:ServeReplica:ecg:Ingress\n"


def test_each_line_comes_once_with_whose_it_is(tmp_path: Path) -> None:
    output = WorkerOutput(tmp_path / "logs")
    assert output.new_lines() == []  # Ray has not made the folder yet
    (tmp_path / "logs").mkdir()
    errors, printed = tmp_path / "logs" / "worker-ab-01-12.err", tmp_path / "logs" / "worker-cd-ff-13.out"
    errors.write_text(PRELUDE + "Fatal Python error: Segmentation fault\n\n")
    printed.write_text("no name yet\n:task_name:build_serve_application\nhalf")
    (tmp_path / "logs" / "raylet.err").write_text("out of memory\n")
    (tmp_path / "logs" / "raylet.out").write_text("of no interest\n")
    assert sorted(output.new_lines()) == [
        "(Ingress pid=12) Fatal Python error: Segmentation fault",
        "(raylet) out of memory",
        "(worker pid=13) no name yet",
    ]
    with printed.open("ab") as file:
        file.write(b" a line\n\xff\n")
    assert output.new_lines() == [
        "(build_serve_application pid=13) half a line",
        "(build_serve_application pid=13) \N{REPLACEMENT CHARACTER}",
    ]
    assert output.new_lines() == []
    output.close()


def test_the_last_words_are_printed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = repeat_worker_output(tmp_path)
    (tmp_path / "worker-ab-01-12.err").write_text(PRELUDE + "why it ended\n")
    end()
    assert capsys.readouterr().err == "(Ingress pid=12) why it ended\n"
