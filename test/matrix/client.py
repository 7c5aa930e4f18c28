# Traffic from one end of a pair: steps as JSON in, how many answers each got as JSON out.
import json, socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

steps = json.load(sys.stdin)
target = steps["target"]


# One at a time: after a first answer ping waits for others only two round trips long.
def ping(step, i):
    command = ["ping", "-n", "-c", "1", "-W", "1", "-I", step["source"], target]
    return "1 received" in subprocess.run(command, capture_output=True, text=True).stdout


def udp(step, i):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((step["source"], 0))
        s.settimeout(0.6)
        s.sendto(b"datagram %d" % i, (target, step["port"]))
        return s.recv(100) == b"datagram %d" % i


# One SYN where nothing comes back: the second would be sent after a second.
def tcp(step, i):
    with socket.create_connection((target, step["port"]), 0.6, (step["source"], 0)) as s:
        s.sendall(b"hello")
        return s.recv(100) == b"hello"


def each(attempt, step):
    def answered(i):
        try:
            return attempt(step, i)
        except OSError:
            return False

    return sum(pool.map(answered, range(step["count"])))


# All at once: most of the time goes by with waiting for answers that do not come.
kinds = {"ping": ping, "udp": udp, "tcp": tcp}
with ThreadPoolExecutor(32) as pool, ThreadPoolExecutor() as steps_pool:
    json.dump(list(steps_pool.map(lambda step: each(kinds[step["kind"]], step), steps["steps"])), sys.stdout)
