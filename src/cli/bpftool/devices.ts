// Network devices of the machine that the command runs on, by name.
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import process from 'node:process';

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
function devices(): { readonly name: string; readonly index: number }[] {
  const names = Object.keys(networkInterfaces());
  if (process.platform !== 'linux') return names.map((name, i) => ({ name, index: i + 1 }));
  return names.flatMap((name) => {
    const index = indexOf(name);
    return index === undefined ? [] : [{ name, index }];
  });
}

function indexOf(name: string): number | undefined {
  try {
    return Number(readFileSync(`${DEVICES}/${name}/ifindex`, 'utf8'));
  } catch {
    // It went away, or is a label of an address.
    return undefined;
  }
}
