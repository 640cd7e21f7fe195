"""`python -m service serve` with the flags of a page: started, waited for until ready, stopped."""

import sys

from tests.e2e.conftest import start_server


def main() -> None:
    server = start_server("-m", "service", "serve", *sys.argv[1:])
    server.wait_until_ready()
    server.terminate()
    code, told = server.leave()
    sys.stderr.write(told)
    sys.exit(code)


if __name__ == "__main__":
    main()
