"""`python -m service.bench`: the verb alone, without loading what a service needs."""

import sys

from service.bench.cli import bench

if __name__ == "__main__":
    sys.exit(bench(sys.argv[1:]))
