"""End to end through a real nginx: clients on loopback, nginx with the project's configuration, three replicas of the service on one
PostgreSQL. Each function of door.py and replicas.py that takes `w` is one promise; .ci/nginx runs them all.

Usage: nginx/tests/e2e.py [PROMISE ...]      (APONTA_BIN: the service, NGINX_BIN: nginx)
"""

import inspect
import os
import sys
import tempfile
import time

import config_files
import door
import replicas
from world import World

PROMISES = [value for module in (door, replicas) for value in vars(module).values()
            if inspect.isfunction(value) and list(inspect.signature(value).parameters) == ["w"]]


def main(names):
    config_files.check()
    promises = [promise for promise in PROMISES if not names or promise.__name__ in names]
    if not promises:
        raise SystemExit(f"no promise of that name; there are: {', '.join(p.__name__ for p in PROMISES)}")
    failures = 0
    with tempfile.TemporaryDirectory(prefix="aponta-nginx-") as folder:
        os.chmod(folder, 0o755)
        world = World(folder)
        try:
            world.start()
            for promise in promises:
                started = time.monotonic()
                try:
                    note = promise(world)
                except Exception as error:
                    failures += 1
                    print(f"FAILED  {promise.__name__}: {type(error).__name__}: {error}", flush=True)
                    world.tell(str(error))
                else:
                    print(f"ok      {promise.__name__} ({time.monotonic() - started:.1f} s){f': {note}' if note else ''}", flush=True)
        finally:
            world.stop()
    if failures:
        raise SystemExit(f"{failures} of {len(promises)} promises broken")
    print(f"{len(promises)} promises kept")


if __name__ == "__main__":
    main(sys.argv[1:])
