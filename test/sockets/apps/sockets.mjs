// An ordinary program: does things with sockets, and prints how each went. Arguments: what (a,b,...), port, another port.
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import process from 'node:process';
import { spawnSync } from 'node:child_process';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [what, port, other] = isMainThread
  ? [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
  : workerData;

const listen = async (host) => {
  const server = net.createServer();
  server.listen(port, host);
  await once(server, 'listening');
  server.close();
  return 'listening';
};

const DEEDS = {
  listen4: () => listen('127.0.0.1'),
  listen6: () => listen('::1'),
  http: async () => {
    const server = http.createServer((_, response) => response.end('served'));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    server.close();
    server.closeAllConnections();
    return text;
  },
  connect: async () => {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const peer = socket.remotePort;
    socket.destroy();
    return `connected to ${peer}`;
  },
  fetch: async () => (await fetch(`http://127.0.0.1:${port}/`)).text(),
  udp: async () => {
    const socket = dgram.createSocket('udp4');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    socket.close();
    return 'bound';
  },
  datagram: async () => {
    const receiver = dgram.createSocket('udp4');
    receiver.bind(other, '127.0.0.1');
    await once(receiver, 'listening');
    const sender = dgram.createSocket('udp4');
    const sent = new Promise((resolve, reject) => {
      sender.send('hello', port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
    });
    await sent;
    const [data] = await once(receiver, 'message');
    sender.close();
    receiver.close();
    return String(data);
  },
  worker: async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: ['listen4', port, other], stdout: true });
    const [data] = await once(worker.stdout, 'data');
    return String(data)
      .trim()
      .replace(/^listen4: /, '');
  },
  child: async () => {
    const { stdout } = spawnSync(process.execPath, [process.argv[1], 'listen4', String(port)], { encoding: 'utf8' });
    return stdout.trim().replace(/^listen4: /, '');
  },
};

for (const deed of what.split(',')) {
  let result;
  try {
    result = await DEEDS[deed]();
  } catch (error) {
    result = error.code ?? error.cause?.code ?? error.message;
  }
  console.log(`${deed}: ${result}`);
}
