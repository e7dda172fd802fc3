"""Facts about the machine that the numbers depend on; no names of hosts, no paths."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import apsw
import msgspec
import psutil

import twofold
from bench.peers import environment


def facts(folder: Path) -> dict[str, str]:
    """Return what a reader needs to know to compare the numbers with others."""
    return {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "operating system": f"{platform.system()} {platform.release()}",
        "file system": file_system(folder),
        "Python": f"{platform.python_implementation()} {platform.python_version()}, asyncio's own event loop",
        "SQLite": f"{apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})",
        "msgspec": msgspec.__version__,
        "Twofold": twofold.__version__,
    }


def peers() -> dict[str, str]:
    """Return the versions of the peers, if they are installed."""
    if not environment.is_installed():
        return {}
    return {"peers": ", ".join(f"{name} {version}" for name, version in environment.versions().items())}


def file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on."""
    path = folder.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[place] for place in (path, *path.parents) if place in mounts), "unknown")


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
