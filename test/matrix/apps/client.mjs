// An ordinary program: `bind PORT...` or `get PORT...`, one after the other; prints how each went, by errno's name where it failed.
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';

const DEEDS = {
  bind: async (port) => {
    const server = net.createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return 'bound';
  },
  get: async (port) => (await fetch(`http://127.0.0.1:${port}/`)).text(),
};

const [deed, ...ports] = process.argv.slice(2);
for (const port of ports) {
  try {
    console.log(await DEEDS[deed](Number(port)));
  } catch (error) {
    console.log(error.code ?? error.cause?.code ?? error.message);
  }
}
process.exit();
