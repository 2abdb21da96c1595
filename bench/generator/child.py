"""The load generator's own process, started as `python -m bench.generator.child`: nothing else may run this module.

gevent must replace sockets and TLS before anything imports them: later, ops would block one another in silence, or TLS
contexts recurse without end (gevent issue 1016). A process of its own, which begins with the patch, is what makes sure of it.
"""

if __name__ == "__main__":
    import sys

    clean = "ssl" not in sys.modules

    from gevent import monkey

    monkey.patch_all()

    from bench.generator.serve import main

    main(patched_first=clean)
