"""Ray and Ray Serve on this machine: started with every port on loopback, and ended.

Whoever reaches one of Ray's ports can run code as this user. So Ray is set so that its node is
127.0.0.1, its calls need a token that is drawn anew at each start, and no player is let in before
the sockets of all its processes have been looked at.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.engine_link.wire import Offer
from bridge.engine_server.gateway import AskEngine
from bridge.engine_server.open_ports import family, listening, supported
from engine.requests.request import PlanRequest

_MISSING = (
    "this needs Ray, which is not installed; run: pip install 'midi-diffuse[cluster]' "
    "(Linux or macOS)"
)
_OBJECT_STORE_BYTES = 80 * 2**20
"""The least that Ray takes: requests and plans are small and go past it."""
_QUEUED = 512
"""Requests that one replica may hold; each player has one at most."""
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # On Linux Ray puts the machine's network address for 127.0.0.1, unless it takes it for a
    # system on which it never leaves the machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
}


class ClusterError(ValueError):
    """The engines cannot be started; says why in one line."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many replicas of each model, from least to most, and how each computes.

    batch: most requests in one, 0: chosen. cpus: cores that Ray may use.
    """

    least: int = 1
    most: int = 1
    batch: int = 0
    cpus: int = 2


def require_ray() -> None:
    """Raise ClusterError where the extra is not installed; imports nothing."""
    from importlib.util import find_spec

    if find_spec("ray") is None:
        raise ClusterError(_MISSING)


@contextlib.contextmanager
def local_ray(cpus: int) -> Iterator[None]:
    """Ray on this machine and nowhere else; ended, its files removed, when the context is."""
    require_ray()
    os.environ.update(_ENVIRONMENT, RAY_AUTH_TOKEN=secrets.token_hex(32))
    folder = tempfile.mkdtemp(prefix="midi-diffuse-")
    import ray
    from ray import serve

    try:
        _init(folder, cpus)
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled")
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _init(folder: str, cpus: int) -> None:
    """Raise ClusterError. Ray gives its processes 30 s, which a busy machine may need: twice."""
    import ray

    for attempt in (1, 2):
        try:
            ray.init(
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
                _node_ip_address="127.0.0.1",
            )
            return
        except Exception as err:  # Ray raises that very class where its processes do not come up
            ray.shutdown()
            if attempt == 2:
                raise ClusterError(f"Ray does not start: {last_line(str(err))}") from None


def start_model(model: Any, fleet: Fleet) -> tuple[Offer, AskEngine]:
    """Serve one PinnedModel; gives what players may know of it, and whom to ask.

    Returns when its replicas are warm. Raises ClusterError.
    """
    from ray import serve
    from ray.serve.config import AutoscalingConfig
    from ray.serve.exceptions import RayServeException

    from bridge.engine_server.replica import Replica

    name = f"engine-{model.digest[:12]}"
    scaling: dict[str, Any] = {"num_replicas": fleet.least}
    if fleet.most > fleet.least:
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=fleet.least,
                max_replicas=fleet.most,
                target_ongoing_requests=fleet.batch or 2,
            )
        }
    deployment: Any = serve.deployment(
        Replica,
        name=name,
        max_ongoing_requests=_QUEUED,
        health_check_period_s=2.0,
        health_check_timeout_s=5.0,
        graceful_shutdown_timeout_s=5.0,
        max_constructor_retry_count=1,
        ray_actor_options={"num_cpus": 0, "num_gpus": _gpu_share(fleet)},
        **scaling,
    )
    try:
        handle = serve.run(deployment.bind(model, fleet.batch), name=name, route_prefix=None)
        offer = Offer(**handle.offer.remote().result())
    except (RayServeException, RuntimeError) as err:
        raise ClusterError(f"{model.spec.name}: {last_line(str(err))}") from None

    async def ask(request: PlanRequest, left_ns: int) -> bytes:
        answer: bytes = await handle.plan.remote(request, left_ns)
        return answer

    return offer, ask


def _gpu_share(fleet: Fleet) -> float:
    """Return the share of a GPU of each replica: Ray hides them all from who asks for none."""
    import ray

    gpus = float(ray.cluster_resources().get("GPU", 0))  # type: ignore[no-untyped-call]
    return min(1.0, gpus / fleet.most)


def check_doors(seconds: float = 1.0) -> None:
    """Raise ClusterError if a port of ours is open to other machines; a socket may come late."""
    if not supported():
        return
    time.sleep(seconds)
    wide = sorted({row.port for row in listening(family(os.getpid())) if not row.local})
    if wide:
        raise ClusterError(
            f"Ray listens to the network on {', '.join(map(str, wide))}, where it would run "
            "anybody's code; this version of Ray is not one that we know how to shut in"
        )


def last_line(text: str) -> str:
    """Return what an error from another process comes down to."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "failed"
