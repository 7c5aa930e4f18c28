// port_leak: binds one UDP port after the other and never lets go, until binds have failed so many times.
//   node --import anybpf/register port_leak.mjs [FAILURES]
import dgram from 'node:dgram';
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { getSystemErrorMap } from 'node:util';

const most = Number(process.argv[2] ?? Infinity);
const held = [];

for (let failed = 0; failed < most; ) {
  const socket = dgram.createSocket('udp4');
  try {
    socket.bind(0, '0.0.0.0');
    await once(socket, 'listening');
    held.push(socket);
    if (held.length % 100 === 0) {
      console.log(`Leaked ${held.length} ports`);
      await setTimeout(10);
    }
  } catch (error) {
    const [, message] = getSystemErrorMap().get(error.errno);
    console.log(`bind failed: ${message}\t${-error.errno}`);
    if (++failed < most) await setTimeout(1000);
  }
}
process.exit();
