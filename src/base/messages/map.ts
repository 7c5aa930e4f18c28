// What creating a map may refuse. Operations on maps answer with negated errno values instead, as the kernel does.
import { message } from '../diagnostic.ts';

export const mapRefused = message(
  'map/refused',
  (type: string, errno: string, attributes: string) => `a ${type} map with ${attributes} is refused: ${errno}`,
);

export const mapTypeUnsupported = message(
  'map/unsupported',
  (type: string, why: string) => `${type} maps are not supported (ENOTSUPP): ${why}`,
);

export const mapTooLarge = message(
  'map/too-large',
  (type: string, size: number, limit: number) =>
    `a ${type} map of ${size} bytes does not fit in the linear memory of ${limit} bytes (ENOMEM)`,
);

export const mapNotShared = message(
  'map/not-shared',
  (type: string) => `${type} maps cannot be shared between threads`,
);

export const lockStuck = message(
  'map/lock',
  (ms: number) => `another thread has kept the map locked for ${ms} ms: it has been stopped in the middle of a change`,
);

export const mapDamaged = message(
  'map/damaged',
  () =>
    'the links between elements have no end: a program that was trusted without having been verified has written over them',
);
