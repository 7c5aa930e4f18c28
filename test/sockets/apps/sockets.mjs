// An ordinary program: does things with sockets, and prints how each went. Arguments: what (a,b,...), port, another port.
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';
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
  /** Both ends of a connection. */
  pair: async () => {
    const server = net.createServer((socket) => socket.end('welcome'));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    try {
      const client = net.connect(port, '127.0.0.1');
      let text = '';
      client.setEncoding('utf8').on('data', (data) => {
        text += data;
      });
      await once(client, 'close');
      return text === '' ? 'closed' : text;
    } finally {
      server.close();
    }
  },
  tls: async () => {
    const server = net.createServer((socket) => socket.end('no TLS'));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    try {
      await once(tls.connect({ port, host: '127.0.0.1' }), 'secureConnect');
    } catch (error) {
      return error.code.startsWith('ERR_SSL') ? 'reached' : error.code;
    } finally {
      server.close();
    }
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
    try {
      await new Promise((resolve, reject) => {
        sender.send('hello', port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
      });
      const [data] = await once(receiver, 'message', { signal: AbortSignal.timeout(1000) });
      return String(data);
    } catch (error) {
      return error.name === 'AbortError' ? 'lost' : error.code;
    } finally {
      sender.close();
      receiver.close();
    }
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
