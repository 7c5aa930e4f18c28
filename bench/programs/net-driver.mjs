// A process with a live interface, for bench/net.mjs: DRIVER DEVICE OBJECT [busy]. Answers each message with what it took and counted.
import { readFileSync } from 'node:fs';
import { project } from '../support.mjs';

const [driver, device, file, wait = 'poll'] = process.argv.slice(2);
const { createRuntime } = await project('src/context/create.ts');
const { LiveInterfaces } = await project('src/live/interfaces.ts');

const runtime = createRuntime();
const live = new LiveInterfaces(runtime.context);
const { programs } = await runtime.call('object.load', {
  object: new Uint8Array(readFileSync(file)),
  name: 'net',
  execution: 'jit',
});
const { ifindex } = live.open(device, { driver, wait });
await runtime.call('prog.attach', { fd: programs[0].fd, attachType: 'xdp', target: { ifindex } });

process.on('message', async (what) => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: (user + system) * 1e3, statistics: live.find(device).statistics });
  if (what !== 'end') return;
  await live.closeAll();
  process.disconnect();
});
process.send('ready');
