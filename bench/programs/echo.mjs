// Answers every message at a unix socket with itself: what a request costs of which the answer costs nothing. Argument: the socket.
import { createServer } from 'node:net';

const server = createServer((socket) => socket.on('data', (piece) => socket.write(piece)));
server.listen(process.argv[2], () => process.send('listening'));
process.once('disconnect', () => process.exit());
