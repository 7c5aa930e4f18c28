import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperFamily } from '../spec/helper.ts';
import { handleAtIndex, needMapType } from './map-access.ts';
import { EBPF_RESULT, status } from './status.ts';

export const tailCallHelpers: HelperFamily = {
  family: 'tail-call',
  doc: 'Going on with another program',
  helpers: [
    helper({
      name: 'tail_call',
      numbers: { linux: 12, windows: 5 },
      args: ['ctx', 'map', 'u32'],
      returns: 'integerOrNoReturn',
      intrinsic: 'tailCall',
      doc:
        'Goes on with the program in slot `index` of a prog_array and does not come back; goes on after the call where the slot ' +
        'is empty or outside, or 33 tail calls were made. r0 is then a negative error on Windows, and not to be read on Linux.',
      body: (env, _ctx, map, index) => {
        needMapType('tail_call', map, ['prog_array'], 2);
        if (index >= map.spec.maxEntries) return status(env, -ERRNO.EINVAL);
        const id = handleAtIndex(env.memory, map, index);
        if (id === 0) return status(env, -ERRNO.EINVAL);
        if (env.tailCall(id)) return 0;
        return env.dialect === 'windows' ? -EBPF_RESULT.NO_MORE_TAIL_CALLS : -ERRNO.ELOOP;
      },
    }),
  ],
};
