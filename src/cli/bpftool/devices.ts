// Network devices of the machine that the command runs on, by name.
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import process from 'node:process';

export interface Device {
  readonly name: string;
  readonly index: number;
}

const DEVICES = '/sys/class/net';
const INDEX = /^[1-9]\d*$/;

/** The index of a device by its name, or by its index in decimal; undefined where there is none. */
export function deviceIndex(name: string): number | undefined {
  if (INDEX.test(name)) return Number(name) > 0xffff_ffff ? undefined : Number(name);
  return devices().find((device) => device.name === name)?.index;
}

/** The device with this index, or `#N`. */
export const deviceName = (index: number): string =>
  devices().find((device) => device.index === index)?.name ?? `#${index}`;

/** On Linux by the kernel's index; elsewhere, where Node knows none, by position in the system's list. */
export function devices(): readonly Device[] {
  if (process.platform !== 'linux') return Object.keys(networkInterfaces()).map((name, i) => ({ name, index: i + 1 }));
  return listed().flatMap((name) => {
    const index = indexOf(name);
    return index === undefined ? [] : [{ name, index }];
  });
}

/** Also devices that are down, which Node does not list. */
function listed(): readonly string[] {
  try {
    return readdirSync(DEVICES);
  } catch {
    // A machine without /sys: no device has a name.
    return [];
  }
}

function indexOf(name: string): number | undefined {
  try {
    return Number(readFileSync(`${DEVICES}/${name}/ifindex`, 'utf8'));
  } catch {
    // It went away meanwhile.
    return undefined;
  }
}
