import { helper, type HelperFamily } from '../spec/helper.ts';
import { ERRNO } from '../spec/errno.ts';
import { wrongMapType } from './map-access.ts';
import { status } from './status.ts';

/** What bpf_base_func_proto gives every program type (kernel/bpf/helpers.c). */
export const mapHelpers: HelperFamily = {
  family: 'map',
  doc: 'Elements of maps',
  helpers: [
    helper({
      name: 'map_lookup_elem',
      numbers: { linux: 1, windows: 1 },
      args: ['map', 'key'],
      returns: 'mapValueOrNull',
      intrinsic: 'mapLookup',
      doc: 'Address of the value with this key (per-CPU maps: the value of this CPU; maps of maps: the inner map), or NULL.',
      body: (_env, map, key) => map.lookupElem(key),
    }),
    helper({
      name: 'map_update_elem',
      numbers: { linux: 2, windows: 2 },
      args: ['map', 'key', 'value', 'scalar'],
      returns: 'integer',
      intrinsic: 'mapUpdate',
      doc: 'Adds or replaces an element, as flags (BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK) allow; 0 or a negated errno.',
      body: (env, map, key, value, flags) => status(env, map.updateElem(key, value, flags)),
    }),
    helper({
      name: 'map_delete_elem',
      numbers: { linux: 3, windows: 3 },
      args: ['map', 'key'],
      returns: 'integer',
      intrinsic: 'mapDelete',
      doc: 'Deletes an element; 0 or a negated errno.',
      body: (env, map, key) => status(env, map.deleteElem(key)),
    }),
    helper({
      name: 'map_push_elem',
      numbers: { linux: 87, windows: 16 },
      args: ['map', 'value', 'scalar'],
      returns: 'integer',
      intrinsic: 'mapPush',
      doc: 'Adds a value to a queue, stack or bloom filter; with BPF_EXIST a full queue or stack loses its oldest value.',
      body: (env, map, value, flags) => status(env, map.pushElem?.(value, flags) ?? wrongMapType('map_push_elem', map)),
    }),
    helper({
      name: 'map_pop_elem',
      numbers: { linux: 88, windows: 17 },
      args: ['map', 'valueOut'],
      returns: 'integer',
      intrinsic: 'mapPop',
      doc: 'Takes the next value off a queue or stack; -ENOENT where it is empty.',
      body: (env, map, value) => status(env, map.popElem?.(value) ?? wrongMapType('map_pop_elem', map)),
    }),
    helper({
      name: 'map_peek_elem',
      numbers: { linux: 89, windows: 18 },
      args: ['map', 'valueOut'],
      returns: 'integer',
      intrinsic: 'mapPeek',
      doc: 'Reads the next value of a queue or stack, or asks a bloom filter for a value; -ENOENT where there is none.',
      body: (env, map, value) => status(env, map.peekElem?.(value) ?? wrongMapType('map_peek_elem', map)),
    }),
    helper({
      name: 'for_each_map_elem',
      numbers: { linux: 164 },
      args: ['map', 'callback', 'callbackContext', 'scalar'],
      returns: 'integer',
      doc: 'Calls callback(map, key, value, ctx) for each element until it returns other than 0; the number of calls. Flags: 0.',
      body: (env, map, callback, context, flags) => {
        if (flags !== 0n) return -ERRNO.EINVAL;
        const handle = BigInt(map.handle);
        const visit = (key: number, value: number): number =>
          env.call(callback, handle, BigInt(key), BigInt(value), context) === 0n ? 0 : 1;
        return map.forEachElem?.(visit) ?? wrongMapType('for_each_map_elem', map);
      },
    }),
    helper({
      name: 'map_lookup_percpu_elem',
      numbers: { linux: 195 },
      args: ['map', 'key', 'u32'],
      returns: 'mapValueOrNull',
      intrinsic: 'mapLookupPerCpu',
      doc: 'Address of the value of a given CPU in a per-CPU map, or NULL.',
      body: (_env, map, key, cpu) => map.lookupPerCpuElem?.(key, cpu) ?? wrongMapType('map_lookup_percpu_elem', map),
    }),
  ],
};
