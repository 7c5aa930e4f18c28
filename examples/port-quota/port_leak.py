"""port_leak: binds one UDP port after the other and never lets go, until binds have failed so many times.

anybpf supervise -- python3 port_leak.py [FAILURES]
"""

import itertools
import resource
import socket
import sys
import time

most = int(sys.argv[1]) if len(sys.argv) > 1 else None
# Each port is a descriptor.
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []

for failed in itertools.count(1):
    try:
        while True:
            leak = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            leak.bind(("0.0.0.0", 0))
            held.append(leak)
            if len(held) % 100 == 0:
                print(f"Leaked {len(held)} ports", flush=True)
                time.sleep(0.01)
    except OSError as error:
        print(f"bind failed: {error.strerror}\t{error.errno}", flush=True)
    if failed == most:
        break
    time.sleep(1)
