// A client that makes objects of all kinds as fast as it can, until it is killed. It speaks the protocol by itself, so that it starts at
// once: `node doomed-client.mjs SOCKET NAME`. What it pins is at /sys/fs/bpf/NAME/*.
import { connect } from 'node:net';

const [socketPath, name] = process.argv.slice(2);
const socket = connect(socketPath);
const waiting = new Map();
let stream = Buffer.alloc(0);
let last = 0;

const call = (method, params) =>
  new Promise((resolve, reject) => {
    const id = ++last;
    waiting.set(id, { resolve, reject });
    const json = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    socket.write(`Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`);
  });

socket.on('data', (piece) => {
  stream = Buffer.concat([stream, piece]);
  for (;;) {
    const at = stream.indexOf('\r\n\r\n');
    if (at < 0) return;
    const start = at + 4;
    const field = (key) => Number(new RegExp(`${key}: (\\d+)`).exec(stream.toString('latin1', 0, at))?.[1] ?? 0);
    const end = start + field('Content-Length');
    if (stream.length < end) return;
    const { id, result, error } = JSON.parse(stream.toString('utf8', start, end - field('Tail-Length')));
    stream = stream.subarray(end);
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(`${error.message} ${JSON.stringify(error.data)}`));
  }
});

const bytes = (...of) => ({ $bytes: Buffer.from(of).toString('base64') });
/** r0 = 0; exit */
const CODE = bytes(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
const MAP = { name: 'm', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 64 };

await call('service.hello', { protocol: [1, 1], client: name });
for (let round = 0; ; round++) {
  const { fd } = await call('map.create', MAP);
  const key = bytes(round & 255, 0, 0, 0);
  await call('map.update', { fd, key, value: bytes(1, 2, 3, 4, 5, 6, 7, 8) });
  // Many under way at once: it may be killed between any two of them.
  const [, prog] = await Promise.all([
    call('map.subscribe', { fd }).catch(() => undefined),
    call('prog.load', { name: 'p', type: 'xdp', code: CODE, license: 'GPL' }),
    call('object.duplicate', { fd }),
    call('map.lookupBatch', { fd, count: 64 }),
  ]);
  const link = await call('link.create', {
    fd: prog.fd,
    attachType: 'xdp',
    target: { ifindex: 1000 + process.pid },
  }).catch(() => undefined);
  if (round % 16 === 0) await call('object.pin', { fd, path: `/sys/fs/bpf/${name}/${round}` });
  if (link !== undefined) await call('object.close', { fd: link.fd });
  if (round % 3 === 0) await call('object.close', { fd: prog.fd });
}
