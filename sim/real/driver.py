"""A process that runs clients (or is the operator), spoken to by lines of JSON.

Two programs understand the same lines: ``KafkaClients.java``, and ``librdkafka_clients.py``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from sim.errors import InputError
from sim.real.household import Household

__all__ = ["Driver", "Refusal"]

MOST_BYTES_A_LINE = 64 << 20
PATIENCE_S = 60.0
Event = dict[str, Any]


class Refusal(Exception):
    """The operator's request was refused; the text is the client's."""


class Driver:
    """One such process. *tell* gets every event that answers no question."""

    def __init__(self, home: Household, command: Sequence[str], name: str, tell: Callable[[Event], None]) -> None:
        self._home, self._name, self.tell = home, name, tell
        self.process = home.start(command, name, talks=True)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._reading: asyncio.Task[None] | None = None
        self._pipe: asyncio.ReadTransport | None = None

    async def listen(self) -> None:
        """Begin to read what the process says."""
        reader = asyncio.StreamReader(limit=MOST_BYTES_A_LINE)
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self.process.stdout
        )
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            event = json.loads(line)
            answer = self._waiting.pop(event["id"], None) if "id" in event else None
            if answer is None:
                self.tell(event)
            elif not answer.done():
                answer.set_result(event)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(InputError("confirm", f"{self._name} ended: {self._home.tail(self._name)}"))

    def say(self, do: str, **fields: Any) -> None:
        """A command that is not answered; nothing where the process is gone."""
        pipe = self.process.stdin
        assert pipe is not None
        if pipe.closed:
            return
        try:
            pipe.write(json.dumps({"do": do, **fields}).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            pass

    async def ask(self, do: str, **fields: Any) -> Any:
        """The answer to a command; :class:`Refusal` where it is an error."""
        self._asked += 1
        answer = self._waiting[self._asked] = asyncio.get_running_loop().create_future()
        self.say(do, id=self._asked, **fields)
        event = await asyncio.wait_for(answer, PATIENCE_S)
        if "error" in event:
            raise Refusal(event["error"])
        return event["ok"]

    def end(self) -> None:
        """Kill it, as a crash would. The loop lets go of the pipe first: its number is soon another pipe's."""
        if self._reading is not None and self._pipe is not None:
            self._reading.cancel()
            self._pipe.close()
        self._home.end(self.process)
