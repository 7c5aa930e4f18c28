import { helper, type HelperFamily, type StateKey } from '../spec/helper.ts';

/** What bpf_override_return makes the probed function return, undefined where the program did not ask. */
export const OVERRIDE: StateKey<{ value: bigint | undefined }> = {
  name: 'override-return',
  create: () => ({ value: undefined }),
};

export const kprobeHelpers: HelperFamily = {
  family: 'kprobe',
  doc: 'The probed function',
  helpers: [
    helper({
      name: 'override_return',
      numbers: { linux: 58 },
      args: ['ctx', 'scalar'],
      returns: 'integer',
      gplOnly: true,
      doc: 'Makes the probed function return this value instead of running. The run reports the value. 0.',
      body: (env, _ctx, value) => {
        env.state(OVERRIDE).value = value;
        return 0;
      },
    }),
  ],
};
