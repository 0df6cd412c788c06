"""`python -m serve_app.cluster FILE [PORT]`: a Ray of its own for one machine, and the application of a Serve YAML.

With PORT it takes `serve deploy` there. Lines on standard output say how far the start is (`launcher.log_file`); an
application that cannot be built ends the process.
"""

import deployments.without_pandas  # noqa: F401  before Serve is imported

# isort: split
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import ray
from ray import serve
from ray._private import worker
from ray.exceptions import GetTimeoutError
from ray.serve._private.api import _create_controller_and_proxy_refs
from ray.serve._private.client import ServeControllerClient
from ray.serve.config import gRPCOptions
from ray.serve.context import _set_global_client
from ray.serve.schema import ServeDeploySchema

from deployments.ray_ports import choose_ports_first
from deployments.ray_processes import API_SERVER, LOG_MONITOR, MONITOR, leave_out, say_there_is_no_dashboard
from serve_app.config_check import REFUSALS, ready_to_run, why
from serve_app.keeper import kill_descendants
from serve_app.launcher.log_file import FAILED, REFUSED, STEP
from serve_app.worker_output import worker_output_repeated

EVERY_S = 0.5
#: How long each try to start Ray waits for its node.
PATIENCE_S = (45, 60, 120)
#: The proxy comes up while the application is built, which takes the same processors.
PROXY_PATIENCE_S = 240
_WAIT = "RAY_raylet_start_wait_time_s"


def main(path: str, deploy_port: int | None = None) -> None:
    """Serve until interrupted.

    Like `serve run`, without Ray's dashboard: nine processes that a lone machine pays for and nobody looks at. With a
    `deploy_port` they are there, and `serve deploy` reaches this cluster on it. On a machine with fewer processors than
    the file asks for Ray is told of as many: the service is slow there, but starts.
    """
    options: dict[str, Any] = {"namespace": "serve", "include_dashboard": deploy_port is not None}
    if deploy_port is not None:
        options["dashboard_port"] = deploy_port
    try:
        # In this process, which has loaded Ray's schemas anyway: a process of its own took three seconds for them.
        config = ready_to_run(Path(path))
    except REFUSALS as error:
        _say(FAILED + why(error))
        raise SystemExit(REFUSED) from None
    _say(STEP + "starting Ray")
    choose_ports_first()
    if deploy_port is None:
        leave_out(MONITOR, API_SERVER)
    options["log_to_driver"] = not leave_out(LOG_MONITOR)
    needed = processors(config)
    start_again_if_need_be(partial(ray.init, **options), kill_descendants, _say)
    if ray.cluster_resources().get("CPU", 0.0) < needed:
        ray.shutdown()
        start_again_if_need_be(partial(ray.init, num_cpus=math.ceil(needed), **options), kill_descendants, _say)
    if deploy_port is None:
        say_there_is_no_dashboard()
    with nullcontext() if options["log_to_driver"] else worker_output_repeated(_logs()):
        _say(STEP + "starting Serve and its proxy")
        threading.Thread(target=_follow, daemon=True).start()
        _serve(config)


def _logs() -> Path:
    """Where this process's own Ray keeps the logs of its session."""
    node: Any = worker._global_node
    return Path(node.get_logs_dir_path())


def _serve(config: dict[str, Any]) -> None:
    """Serve until interrupted; the application is built while the proxy starts, not after it as `serve run` does.

    Ends the process with status 1, and says why, when Serve does not come up.
    """
    schema = ServeDeploySchema.model_validate(config)
    try:
        controller, proxies = _create_controller_and_proxy_refs(
            http_options=schema.http_options.model_dump(),
            grpc_options=gRPCOptions(**schema.grpc_options.model_dump()),
            global_logging_config=None,
            global_tracing_config=None,
            controller_options=schema.controller_options,
            proxy_location=schema.proxy_location,
        )
        client = ServeControllerClient(controller)
        _set_global_client(client)
        client.deploy_apps(schema, _blocking=False)
        ray.get(proxies, timeout=PROXY_PATIENCE_S)
        while True:
            time.sleep(10)
    except KeyboardInterrupt:
        serve.shutdown()
    except GetTimeoutError:
        _end(f"Serve's proxy did not come up within {PROXY_PATIENCE_S} s")
    except Exception as error:  # noqa: BLE001  Ray raises what it likes
        _end(cause(str(error)))


def _end(failure: str) -> NoReturn:
    traceback.print_exc()  # for the log
    _say(FAILED + failure)
    serve.shutdown()
    raise SystemExit(1)


def start_again_if_need_be(begin: Callable[[], Any], clear: Callable[[], None], say: Callable[[str], None]) -> None:
    """Start Ray with `begin`; when it does not come up, `clear` what is there of it and begin again.

    A node that aborts while it starts (`deployments.ray_ports` has a cause) is waited for by `ray.init` all the same. A
    second start finds everything in the page cache. Raises what the last try raised.
    """
    for number, patience_s in enumerate(PATIENCE_S, 1):
        os.environ[_WAIT] = str(patience_s)
        try:
            begin()
            return
        except Exception as error:
            clear()
            if number == len(PATIENCE_S):
                say(f"{FAILED}Ray did not start in {number} tries: {cause(str(error))}")
                raise
            say(f"{STEP}starting Ray again (its node did not come up within {patience_s} s)")


def _follow() -> None:
    """Say how the application comes up; end this process when it cannot."""
    if (failure := follow(serve.status, _say, ray.is_initialized)) is not None:
        _say(FAILED + failure)
        os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C, of which `_serve` makes an orderly end


def follow(
    status: Callable[[], Any], say: Callable[[str], None], connected: Callable[[], bool], every_s: float = EVERY_S
) -> str | None:
    """Call `say` with each step until all applications run, and return None; or return why one will not.

    `status` gives Serve's `ServeStatus`. It is not asked once Ray is no longer `connected`, as after a stop: it would
    start another Ray. What happens later is not this function's: a change that fails leaves what runs in place.
    """
    said = None
    while connected():
        try:
            applications = status().applications
        except Exception:  # noqa: BLE001  Ray raises what it likes while its controller is not there yet
            applications = {}
        coming = [each for each in applications.values() if each.status != "RUNNING"]
        if applications and not coming:
            return None
        for application in coming:
            if application.status == "DEPLOY_FAILED":
                return cause(application.message)
        if coming and (step := STEP + _step(coming[0])) != said:
            say(step)
            said = step
        time.sleep(every_s)
    return None


def _step(application: Any) -> str:
    waiting = []
    for name, deployment in application.deployments.items():
        if deployment.status != "HEALTHY":
            waiting.append(f"{name} ({cause(deployment.message)})" if "rror" in deployment.message else name)
    return f"starting {', '.join(waiting)}" if waiting else "loading the application"


def cause(message: str) -> str:
    """The last line of a traceback that Serve hands on, which is the exception; of other messages the first.

    Where HAProxy did not start, what it says of that.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return "no reason was given"
    if (alert := next((line for line in lines if line.startswith("[ALERT]")), None)) is not None:
        return f"HAProxy: {alert.partition(' : ')[2]}"
    errors = [line for line in lines if "Error" in line.partition(":")[0] and " " not in line.partition(":")[0]]
    return errors[-1] if errors else lines[0]


def _say(line: str) -> None:
    print(line, flush=True)


def processors(config: dict[str, Any]) -> float:
    """What the replicas that a Serve YAML starts with take of Ray's count of processors."""
    total = 0.0
    for application in config["applications"]:
        for deployment in application.get("deployments", []):
            scaling = deployment.get("autoscaling_config") or {}
            replicas = scaling.get("initial_replicas") or scaling.get("min_replicas") or deployment.get("num_replicas")
            each = (deployment.get("ray_actor_options") or {}).get("num_cpus", 1.0)
            total += (replicas if isinstance(replicas, int) else 1) * each
    return round(total, 6)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
