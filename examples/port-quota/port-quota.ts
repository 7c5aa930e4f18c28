// port_quota: how many ports a process may hold, over a session of an execution context.
//
//   port_quota load port_quota.bpf.o | limit 5000 | stats | unload
//
// What it loads stays when it ends: maps, program and link are pinned.
import type { Session } from 'anybpf/spec/session';

const PINS = {
  process_map: 'port_quota::process_map',
  limits_map: 'port_quota::limits_map',
  program: 'port_quota::program',
  program_link: 'port_quota::program_link',
} as const;

/** The key of limits_map's only element. */
const FIRST = new Uint8Array(4);

export type Write = (text: string) => void;

/** Loads the program, attaches it to all binds, and pins it with its maps. */
export async function load(session: Session, object: Uint8Array): Promise<void> {
  const { programs, maps } = await session.call('object.load', { object, name: 'port_quota.bpf.o' });
  const [{ fd }] = programs;
  const link = await session.call('link.create', { fd, attachType: 'bind', target: {} });
  const pins: (readonly [fd: number, path: string])[] = [
    [fd, PINS.program],
    [link.fd, PINS.program_link],
  ];
  for (const map of maps) if (map.name in PINS) pins.push([map.fd, PINS[map.name as keyof typeof PINS]]);
  for (const [handle, path] of pins) await session.call('object.pin', { fd: handle, path });
  // The pins hold them.
  for (const each of [...programs, ...maps, link]) await session.call('object.close', { fd: each.fd });
}

/** 0: any number of ports. */
export async function limit(session: Session, ports: number): Promise<void> {
  await withPinned(session, PINS.limits_map, async (fd) => {
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, ports, true);
    await session.call('map.update', { fd, key: FIRST, value });
  });
}

/** Prints a line a process: its id, how many ports it holds, its application. */
export async function stats(session: Session, write: Write): Promise<void> {
  await withPinned(session, PINS.process_map, async (fd) => {
    write('Pid\tCount\tAppId\n');
    const { keys, values, count } = await session.call('map.lookupBatch', { fd, count: 1024 });
    const size = count === 0 ? 0 : values.length / count;
    for (let i = 0; i < count; i++) {
      const pid = new DataView(keys.buffer, keys.byteOffset + 8 * i).getBigUint64(0, true);
      const entry = values.subarray(size * i, size * (i + 1));
      const ports = new DataView(entry.buffer, entry.byteOffset).getUint32(0, true);
      write(`${pid}\t${ports}\t${application(entry.subarray(4))}\n`);
    }
  });
}

/** Takes the pins away, and with the last reference all that was loaded. */
export async function unload(session: Session): Promise<void> {
  for (const path of Object.values(PINS)) await session.call('object.unpin', { path });
}

/** A path as Windows has it: UTF-16, ended by a NUL where it is shorter than its place. */
function application(bytes: Uint8Array): string {
  const [name] = new TextDecoder('utf-16le').decode(bytes).split('\0');
  return name;
}

async function withPinned(session: Session, path: string, body: (fd: number) => Promise<void>): Promise<void> {
  const { fd } = await session.call('object.get', { path });
  try {
    await body(fd);
  } finally {
    await session.call('object.close', { fd });
  }
}

/** Runs one command of the line. False where there is no such command. */
export async function portQuota(
  session: Session,
  [command, argument = '']: readonly string[],
  read: (file: string) => Promise<Uint8Array>,
  write: Write,
): Promise<boolean> {
  switch (command) {
    case 'load':
      await load(session, await read(argument));
      return true;
    case 'limit':
      await limit(session, Number(argument));
      return true;
    case 'stats':
      await stats(session, write);
      return true;
    case 'unload':
      await unload(session);
      return true;
    default:
      return false;
  }
}
