"""Forward TCP connections to a Unix socket: ``python -m tests.cluster.forward ADDRESS PORT SOCKET``.

A Unix socket is a file, which every network namespace sees. So a host can serve a database that runs outside of it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

CHUNK = 65_536


async def main(address: str, port: int, target: str) -> None:
    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(target)
        await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))

    server = await asyncio.start_server(accepted, address, port)
    await server.serve_forever()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    with suppress(OSError):
        target.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
