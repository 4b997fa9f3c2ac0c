"""A real object store on this machine: moto's S3 server."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def bucket() -> Iterator[str]:
    """The URL of an empty bucket that this process and its children can reach."""
    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    there = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    try:
        with mock.patch.dict(os.environ, there):
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir("sweeps")
            yield "s3://sweeps"
    finally:
        server.stop()
