"""What the processes of a service hold."""

from contextlib import suppress

import httpx
import psutil

from tests.e2e.conftest import Deployed, launcher_of


def test_no_process_holds_a_library_that_serving_does_not_use(service: httpx.Client, deployed: Deployed) -> None:
    launcher = launcher_of(deployed)
    seen, held = 0, set()
    for process in [launcher, *launcher.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            name = " ".join(process.cmdline()[:3])
            if name.startswith("ray-dashboard"):
                continue  # Ray's own: it loads Serve when an operator first asks it about a deployment
            mapped = {part for file in process.memory_maps() for part in file.path.split("/")}
            held |= {(name, library) for library in ("pandas", "torch") if library in mapped}
            seen += "numpy" in mapped
    assert service.get("/health").status_code == 200
    assert seen >= 8  # driver, controller, proxy, HAProxy's manager, two ingresses, two models
    assert held == set()


def test_what_workers_print_is_in_the_log_that_the_terminal_names(service: httpx.Client, deployed: Deployed) -> None:
    """Ray's log monitor, which would hand it on, is left out."""
    (log,) = deployed.logs.glob("serve-*.log")
    commands: dict[int, str] = {}
    for process in launcher_of(deployed).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            commands[process.pid] = " ".join(process.cmdline())
    assert [command for command in commands.values() if "log_monitor" in command] == []
    (controller,) = [pid for pid, command in commands.items() if "ServeController" in command]
    assert f"(ServeController pid={controller}) INFO" in log.read_text()
