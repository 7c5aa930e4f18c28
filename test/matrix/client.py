# Traffic from one end of a pair: steps as JSON in, how many answers each got as JSON out.
import json, re, socket, subprocess, sys

steps = json.load(sys.stdin)
target = steps["target"]


def ping(step):
    command = ["ping", "-n", "-c", str(step["count"]), "-i", "0.02", "-W", "1", "-I", step["source"], target]
    output = subprocess.run(command, capture_output=True, text=True).stdout
    return int(re.search(r"(\d+) received", output).group(1))


def udp(step):
    answers = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((step["source"], 0))
        s.settimeout(0.3)
        for i in range(step["count"]):
            s.sendto(b"datagram %d" % i, (target, step["port"]))
            try:
                answers += s.recv(100) == b"datagram %d" % i
            except OSError:
                pass
    return answers


# One SYN where nothing comes back: the second would be sent after a second.
def tcp(step):
    answers = 0
    for i in range(step["count"]):
        try:
            with socket.create_connection((target, step["port"]), 0.6, (step["source"], 0)) as s:
                s.sendall(b"hello")
                answers += s.recv(100) == b"hello"
        except OSError:
            pass
    return answers


kinds = {"ping": ping, "udp": udp, "tcp": tcp}
json.dump([kinds[step["kind"]](step) for step in steps["steps"]], sys.stdout)
