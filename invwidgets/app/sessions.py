"""The sessions of ``invwidgets app``: a limited number of processes, one for each open page.

A session begins when its page is opened. It ends when the page is closed, when it has not been used
for a while, or with the server. Only its owner can use it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Float, Int

_PATIENCE = 3.0  # seconds that a page waits for a place, such as for the old session of a reload
_END_SECONDS = 15.0  # the time for sessions that are still starting when the server ends


@dataclass
class Visit:
    """A visitor who opens a page, and the session that was started for it."""

    owner: str
    session: str = ""


VISIT: ContextVar[Visit] = ContextVar("VISIT")


class Sessions(AsyncMappingKernelManager):
    """The manager of sessions (Voila's kernels), which refuses more than a number with status 503.

    Jupyter-server's culling ends idle sessions; sessions without a page end sooner.
    """

    most = Int(1, min=1).tag(config=True)
    gone_seconds = Float(180.0).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        self.owners: dict[str, str] = {}
        self._starting: set[str] = set()
        self._ending: set[str] = set()
        self._left: dict[str, float] = {}  # since when none does; not yet for one being rendered
        self._closing = False
        super().__init__(**kwargs)

    async def reserve(self, visit: Visit) -> None:
        """Reserve a place for a visit's session, and name the session.

        It waits a moment for a place, and raises ``HTTPError`` 503 if there is none.
        """
        end = time.monotonic() + _PATIENCE
        while self._closing or self._taken() >= self.most:
            if await self._give_up_one(visit.owner):
                continue
            if self._closing or time.monotonic() > end:
                raise HTTPError(503, "all places are taken")
            await asyncio.sleep(0.1)
        visit.session = str(uuid.uuid4())
        self.owners[visit.session] = visit.owner
        self._starting.add(visit.session)

    async def start_kernel(self, **kwargs: Any) -> str:  # type: ignore[override]
        """Start the session of the current visit."""
        name = VISIT.get().session
        try:
            return str(await super().start_kernel(kernel_id=name, **kwargs))
        finally:
            self._starting.discard(name)

    async def shutdown_kernel(  # type: ignore[override]
        self, kernel_id: str, now: bool = False, restart: bool = False
    ) -> None:
        """End a session; does nothing if it is already ending."""
        if kernel_id in self._ending:
            return
        self._ending.add(kernel_id)
        try:
            await super().shutdown_kernel(kernel_id, now=now, restart=restart)
        finally:
            self._ending.discard(kernel_id)
            self.owners.pop(kernel_id, None)
            self._left.pop(kernel_id, None)

    def notify_disconnect(self, kernel_id: str) -> None:
        """Note that a page was closed or its connection was lost."""
        super().notify_disconnect(kernel_id)
        self.rendered(kernel_id)

    def rendered(self, kernel_id: str) -> None:
        """Note that the page of a session was sent.

        From now on the session counts as left if it has no page, and an unused place is freed.
        """
        self._starting.discard(kernel_id)
        if kernel_id in self:
            self._left[kernel_id] = time.monotonic()
        else:
            self.owners.pop(kernel_id, None)

    async def is_dead(self, kernel_id: str) -> bool:
        """Whether the process of a session has ended."""
        if kernel_id not in self:
            return True
        return not await ensure_async(self.get_kernel(kernel_id).is_alive())

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End a session that is dead, left for long, or idle."""
        if kernel_id in self._ending:
            return
        if await self.is_dead(kernel_id) or self._left_for(kernel_id) > self.gone_seconds:
            await self.shutdown_kernel(kernel_id, now=True)
        else:
            await super().cull_kernel_if_idle(kernel_id)

    async def end(self) -> None:
        """End every session, including those that are still starting."""
        self._closing = True
        end = time.monotonic() + _END_SECONDS
        while self._starting and time.monotonic() < end:
            await asyncio.sleep(0.05)
        ended = (self._kill(kernel_id) for kernel_id in self.list_kernel_ids())
        await asyncio.gather(*ended, return_exceptions=True)

    async def _kill(self, kernel_id: str) -> None:
        manager = self.get_kernel(kernel_id)
        self._ending.discard(kernel_id)  # one that is ending by itself may take its time
        try:
            await self.shutdown_kernel(kernel_id, now=True)
        finally:
            if await ensure_async(manager.is_alive()):
                await ensure_async(manager.shutdown_kernel(now=True))

    def _taken(self) -> int:
        return len(self._starting | set(self.list_kernel_ids()))

    async def _give_up_one(self, owner: str) -> bool:
        """End a dead session, or one that the same visitor has left, such as by a reload."""
        for kernel_id in self.list_kernel_ids():
            if kernel_id in self._ending or kernel_id in self._starting:
                continue
            mine = self.owners.get(kernel_id) == owner and self._left_for(kernel_id) > 0
            if mine or await self.is_dead(kernel_id):
                await self.shutdown_kernel(kernel_id, now=True)
                return True
        return False

    def _left_for(self, kernel_id: str) -> float:
        """Seconds since the last page looked at a session, 0 while one does."""
        if self._kernel_connections.get(kernel_id, 0) > 0 or kernel_id not in self._left:
            return 0.0
        return time.monotonic() - self._left[kernel_id]


class OwnSession(Authorizer):
    """The authorization of sessions: only the visitor who started a session may use it."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        kernel_id = handler.path_kwargs.get("kernel_id")
        if kernel_id is None or user is None:
            return False
        return bool(handler.kernel_manager.owners.get(kernel_id) == user.username)
