"""A container without an engine: a process in namespaces of its own, which sees this machine's root read-only.

Below `/`, whatever a mount goes through, `/tmp`, `/run` and `/dev` belong to the container; the rest is this machine's.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
OWN: Final = {"tmp", "run", "dev", "proc"}
UNSHARE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")


@dataclass(frozen=True)
class Mount:
    """A folder or file that a container sees.

    Attributes:
        source: Where it is.
        target: Where the container sees it.
        read_only: Whether it may not be written.
    """

    source: Path
    target: str
    read_only: bool = False

    @property
    def place(self) -> PurePosixPath:
        """Target below `/`, without the link that leads from `/var/run` to `/run`."""
        path = PurePosixPath(self.target)
        inside = path.is_relative_to("/var/run")
        return PurePosixPath("run", path.relative_to("/var/run")) if inside else path.relative_to("/")


def cannot_run() -> str | None:
    """Why no container can run here, if none can."""
    words = [*UNSHARE, "mount", "-t", "proc", "proc", "/proc"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"namespaces need root: {tried.stderr.strip()}"


def _script(root: Path, mounts: Sequence[Mount]) -> str:
    own = OWN | {mount.place.parts[0] for mount in mounts if str(mount.source) != mount.target}
    # What is where it is on this machine needs a mount only where it would not be seen.
    mounts = [mount for mount in mounts if mount.place.parts[0] in own]
    # The image's PATH is for what it runs; these words are this machine's.
    lines = ["set -e", "image_path=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin; chroot=$(command -v chroot)"]
    lines += [f"cd {shlex.quote(str(root))}", "mkdir -p tmp run dev/shm proc", "chmod 1777 tmp dev/shm"]
    for entry in sorted(Path("/").iterdir()):
        name = shlex.quote(entry.name)
        if entry.is_symlink():
            lines.append(f"[ -L {name} ] || cp -a /{name} .")
        elif entry.is_dir() and entry.name not in own:
            lines.append(f"mkdir -p {name} && mount --rbind /{name} {name} && mount -o remount,ro,bind {name}")
    lines += [f"touch dev/{name} && mount --bind /dev/{name} dev/{name}" for name in DEVICES]
    lines += ["ln -sfn /proc/self/fd dev/fd", "mount -t proc proc proc"]
    for mount in sorted(mounts, key=lambda mount: len(mount.place.parts)):
        place, source = shlex.quote(str(mount.place)), shlex.quote(str(mount.source))
        parent = shlex.quote(str(mount.place.parent))
        lines.append(f"mkdir -p {place}" if mount.source.is_dir() else f"mkdir -p {parent} && touch {place}")
        lines += [f"mount --rbind {source} {place}", *[f"mount -o remount,ro,bind {place}"] * mount.read_only]
    return "\n".join([*lines, 'PATH=$image_path exec "$chroot" . "$@"'])


class Sandbox:
    """A container that runs.

    Args:
        command: What it runs, as process 1.
        environment: Its whole environment.
        folder: Receives its files (`root`) and what it prints (`log`).
        mounts: What else it sees.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, mounts: Sequence[Mount]
    ) -> None:
        (folder / "root").mkdir()
        words = [*UNSHARE, "bash", "-c", _script(folder / "root", mounts), "container", *command]
        with (folder / "log").open("wb") as output:
            self.process = subprocess.Popen(words, env=dict(environment), stdout=output, stderr=output)

    def poll(self) -> int | None:
        """Its exit code as a container engine tells it, once it has ended."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def terminate(self) -> None:
        """Send SIGTERM to process 1, as an engine does."""
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            return
        for child in children:
            os.kill(int(child), signal.SIGTERM)

    def kill(self) -> None:
        """End everything in it."""
        self.process.kill()
        self.process.wait()
