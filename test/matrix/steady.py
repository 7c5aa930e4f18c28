# Numbered datagrams to ports, each every few milliseconds, until standard input ends; then how many were sent, and which had no echo.
import json, select, socket, sys, time

target, interval, ports = sys.argv[1], float(sys.argv[2]), [int(port) for port in sys.argv[3:]]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
answered = {port: set() for port in ports}
sent = 0


def drain():
    while True:
        try:
            data, (_, port) = s.recvfrom(100)
            answered[port].add(int(data))
        except OSError:
            return


print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for port in ports:
        try:
            s.sendto(b"%d" % sent, (target, port))
        except OSError:
            pass  # The interface is gone: no echo, as if it had been lost.
    sent += 1
    time.sleep(interval)
    drain()
time.sleep(0.5)
drain()
print(json.dumps({"sent": sent, "missing": [[n for n in range(sent) if n not in answered[port]] for port in ports]}))
