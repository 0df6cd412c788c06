"""`GraphInbox`: the durable inbox with the deployed graph as its analysis."""

from deployments.serve.graph import Graph, Handles
from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits
from ecg.store.worker import Patience


class GraphInbox(Inbox):
    """The inbox as it is deployed: its worker hands complete recordings to the graph that also answers `/analyze`."""

    def __init__(self, url: str, incomplete_after_s: float, keep_days: float | None, handles: Handles) -> None:
        patience = Patience(incomplete_after_s=incomplete_after_s)
        super().__init__(url, Graph(handles).document, Limits(), patience, keep_days)

    async def __del__(self) -> None:
        """Called by Serve when the replica drains: what was accepted is finished first."""
        await self.close()
