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
