"""An object store in the memory of this process, which speaks S3."""

import logging
import os
import uuid
from collections.abc import Iterator

import pytest


class ObjectStore:
    """A store that can be stopped and started; what is in it stays."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._port = 0
        self.start()
        self.endpoint = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    def stop(self) -> None:
        self._server.stop()

    @property
    def system(self) -> object:
        """What reaches it as anybody would."""
        import s3fs

        return s3fs.S3FileSystem(use_listings_cache=False)

    def new_address(self) -> str:
        """Return an address below which there is nothing."""
        return f"s3://clinic/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """Run a store as long as the tests run, which the AWS settings of this process name."""
    store = ObjectStore()
    settings = {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": "ann",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setitem(os.environ, name, value)
        store.system.mkdir("clinic")
        yield store
    store.stop()
