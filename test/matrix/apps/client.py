# An ordinary program: `bind PORT...` or `get PORT...`, one after the other; prints how each went, by errno's name where it failed.
import errno, http.client, socket, sys


def bind(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind(("127.0.0.1", port))
    held.append(s)
    return "bound"


def get(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


held = []
deed = {"bind": bind, "get": get}[sys.argv[1]]
for port in sys.argv[2:]:
    try:
        print(deed(int(port)))
    except OSError as error:
        print(errno.errorcode[error.errno])
