"""`rushlight cache`: where compiled kernels and plans are kept, how many, and how to be rid of them."""

from __future__ import annotations

from rushlight import config
from rushlight.backend.llvm import diskcache


def show(clear: bool = False) -> str:
    """The cache's folder, contents and limit, a line each; after emptying it if asked to."""
    rows = [("folder", str(diskcache.folder()))]
    if clear:
        rows.append(("deleted", f"{diskcache.clear()} kernels and plans"))
    problem = diskcache.problem()
    count, size = diskcache.usage()
    rows += [
        ("entries", f"{count} kernels and plans"),
        ("bytes", f"{size:,}"),
        ("limit", f"{config.cache_limit:,} bytes (RUSHLIGHT_CACHE_LIMIT)"),
        ("in use", f"no: they are kept in memory only ({problem})" if problem else "yes"),
    ]
    return "\n".join(f"{name:<8} {value}" for name, value in rows)


def summary() -> str:
    """The same in half a line, for `rushlight info`."""
    problem = diskcache.problem()
    if problem:
        return f"none on disk ({problem})"
    count, size = diskcache.usage()
    return f"{count} kernels and plans, {size / 1e6:.1f} MB in {diskcache.folder()}"
