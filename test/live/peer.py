# The other end of a live interface. send ADDRESS PORT COUNT RATE: datagrams with their number; prints how many.
# echo ADDRESS PORT COUNT: sends one after the other, prints how many came back. take ADDRESS PORT: counts different datagrams until
# standard input ends, prints how many. tcp ADDRESS PORT BYTES: sends and reads back, prints whether both are equal.
import os, select, socket, sys, time

what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what == 'send':
    count, rate = int(sys.argv[4]), int(sys.argv[5])
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    begin = time.monotonic()
    for i in range(count):
        s.sendto(i.to_bytes(4, 'little') + b'datagram', (address, port))
        while rate and i > (time.monotonic() - begin) * rate:
            time.sleep(0.0005)
    print(count)
elif what == 'echo':
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.3)
    back = 0
    for i in range(int(sys.argv[4])):
        data = i.to_bytes(4, 'little') + b'there and back'
        s.sendto(data, (address, port))
        try:
            back += s.recvfrom(100) == (data, (address, port))
        except OSError:
            pass
    print(back)
elif what == 'take':
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    s.bind((address, port))
    print('ready', flush=True)
    seen = set()
    open_end = True
    while True:
        ready, _, _ = select.select([s] + ([sys.stdin] if open_end else []), [], [], None if open_end else 0.1)
        if not ready:
            break
        if s in ready:
            seen.add(s.recv(100))
        if sys.stdin in ready:
            open_end = bool(sys.stdin.readline())
    print(len(seen))
elif what == 'tcp':
    data = os.urandom(int(sys.argv[4]))
    with socket.create_connection((address, port), timeout=10) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        back = b''
        while part := s.recv(1 << 16):
            back += part
    print('equal' if back == data else 'other bytes: %d of %d' % (len(back), len(data)))
