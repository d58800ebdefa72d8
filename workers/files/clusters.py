"""Reading the stored result of a clustering without holding it as a whole."""

import hashlib
import re
from collections.abc import Iterator
from typing import IO

from lunatasks import errors
from tasks_app.transitions import Artefact

READ_BYTES = 2**20
_TOKEN = re.compile(rb'\[|\]|,|"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
_LONGEST_TOKEN = 38


def read_clusters(stream: IO[bytes], artefact: Artefact, *, task_id: int) -> Iterator[tuple[bytearray, list[int]]]:
    """(ids, clusters) chunk by chunk: 16 bytes an id, in the stored order, and the number of its cluster.

    Raises ArtefactDamaged when the file is not what was stored, at its end at the latest.
    """
    hashed, rest = hashlib.sha256(), b""
    depth, cluster = 0, -1
    while block := stream.read(READ_BYTES):
        hashed.update(block)
        text = rest + block
        ids, clusters, at = bytearray(), [], 0
        while match := _TOKEN.match(text, at):
            at = match.end()
            token = match[0]
            if token == b"[":
                depth, cluster = depth + 1, cluster + (depth == 1)
            elif token == b"]":
                depth -= 1
            elif token != b",":
                ids += bytes.fromhex(match[1].replace(b"-", b"").decode())
                clusters.append(cluster)
        rest = text[at:]
        if len(rest) >= _LONGEST_TOKEN:
            raise errors.ArtefactDamaged(task_id)
        yield ids, clusters
    if rest or depth or hashed.hexdigest() != artefact.sha256:
        raise errors.ArtefactDamaged(task_id)
