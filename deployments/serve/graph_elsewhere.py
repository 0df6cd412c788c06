"""`GraphElsewhere`: the graph of another Serve application, reached by way of its ingress."""

import asyncio
from collections.abc import Awaitable

from ray.serve.handle import DeploymentHandle

from deployments.serve.ray_errors import as_ecg_error, is_replica_lost
from ecg.errors import Overloaded
from ecg.record import EcgRecord

#: The deployment that analyses (`Ingress.document`). After so long without an answer it is asked whether it is there,
#: and has as long to say so.
GRAPH, THERE_S = "Ingress", 10.0


class GraphElsewhere:
    """Asks the ingress of `application` for the documents that `Graph.document` gives.

    By name and not by a bound handle: the other application has this one's deployment by name, too.
    """

    def __init__(self, graph: DeploymentHandle) -> None:
        self._graph = graph

    @classmethod
    def of(cls, application: str) -> "GraphElsewhere":
        """The graph of the application with that name, which need not be deployed yet."""
        return cls(DeploymentHandle(GRAPH, application))

    async def document(self, record: EcgRecord) -> bytes:
        """As `Graph.document`. Raises `Overloaded` while the application is not deployed, however long that lasts."""
        asked = self._graph.document.remote(record)
        answer = asyncio.ensure_future(_awaited(asked))
        try:
            # A call of a deployment without replicas, or of one that never was, waits for ever.
            while not (await asyncio.wait({answer}, timeout=THERE_S))[0]:
                await self._check_there()
            return await answer
        except Exception as error:
            refusal = as_ecg_error(error)
            if refusal is None or refusal is error:
                raise
            raise refusal from None
        finally:
            if not answer.done():
                asked.cancel()
                answer.cancel()

    async def _check_there(self) -> None:
        asked = self._graph.is_there.remote()
        try:
            async with asyncio.timeout(THERE_S):
                await asked
        except TimeoutError:
            asked.cancel()
            raise Overloaded("The analysis is not deployed; its recordings wait.") from None
        except Exception as error:
            if not is_replica_lost(error):  # it was another one than the replica that analyses
                raise


async def _awaited(asked: Awaitable[bytes]) -> bytes:
    return await asked
