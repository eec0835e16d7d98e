"""A program of the tests: autosave while the network is gone.

    python network_cut.py FOLDER [SECONDS]

It moves to a network of its own, with a PostgreSQL server in it, and prints what happened as JSON;
it ends with 77 where the system does not allow that (Linux does to its administrator).
"""

import ctypes
import fcntl
import json
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

from programs import noise

from napari_retina_seg.project import postgresql_database
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import ProjectError, SavedLocallyError
from napari_retina_seg.types.labels import OCT_LAYERS
from postgresql import Server, find_programs

_NEW_NETWORK, _SET_FLAGS, _UP = 0x40000000, 0x8914, 1  # CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP
_PAUSE = 0.1  # s


def main(folder: Path, length: float | None = None) -> None:
    """Cut the network for so many seconds; without them as briefly as a test can."""
    if ctypes.CDLL(None).unshare(_NEW_NETWORK):
        sys.exit(77)
    switch_network(on=True)
    if length is None:
        postgresql_database._CONNECTION["tcp_user_timeout"] = 2_500  # ms; people wait for 10 s
    with tempfile.TemporaryDirectory() as where:
        server = Server(find_programs(), Path(where))
        server.listen()
        server.start()
        try:
            server.run("CREATE DATABASE study")
            print(json.dumps(cut(folder, length or 0)))  # noqa: T201
        finally:
            server.stop()


def cut(folder: Path, length: float) -> dict[str, object]:
    """Autosave before, twice during and after a cut; return what was said, and what is kept."""
    url = "postgresql://postgres@127.0.0.1/study"
    with Project.create(folder / "study", scheme=OCT_LAYERS, author="Ann", database=url) as project:
        project.add_images([folder / "scan.png"])
        project.autosave(1, noise(0))
        switch_network(on=False)
        gone = time.monotonic()
        said = []
        for seed in (1, 2):
            begun = time.monotonic()
            try:
                project.autosave(1, noise(seed), seconds=seed)
            except SavedLocallyError as error:
                said.append((str(error), time.monotonic() - begun))
        try:
            project.save_version(1, noise(3), "correct")
        except ProjectError as error:
            said.append((str(error), 0))
        time.sleep(max(0, gone + length - time.monotonic()))
        switch_network(on=True)
        back = time.monotonic()
        while not project.upload_pending():
            time.sleep(_PAUSE)
        uploaded = time.monotonic() - back
        (slot,) = project.recoverable()
        kept = project.recover(slot).equals(noise(2)) and slot.seconds == 2
        versions = len(project.history(1))
        return {"said": said, "kept": kept, "versions": versions, "uploaded": uploaded}


def switch_network(*, on: bool) -> None:
    """Switch the only interface of this network, so that packets vanish."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        flags = struct.pack("16sh14x", b"lo", _UP if on else 0)
        fcntl.ioctl(connection, _SET_FLAGS, flags)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
