import { helper, type HelperFamily } from '../spec/helper.ts';

export const systemHelpers: HelperFamily = {
  family: 'system',
  doc: 'Random numbers and the processor of the run',
  helpers: [
    helper({
      name: 'get_prandom_u32',
      numbers: { linux: 7, windows: 6 },
      args: [],
      returns: 'integer',
      doc: 'A pseudo-random number of 32 bits.',
      body: (env) => env.host.random32() >>> 0,
    }),
    helper({
      name: 'get_smp_processor_id',
      numbers: { linux: 8, windows: 8 },
      args: [],
      returns: 'integer',
      intrinsic: 'cpuNumber',
      doc: 'Number of the CPU that the program runs on.',
      body: (env) => env.cpu,
    }),
    helper({
      name: 'get_numa_node_id',
      numbers: { linux: 42 },
      args: [],
      returns: 'integer',
      doc: 'NUMA node of that CPU.',
      body: (env) => env.host.numaNode,
    }),
  ],
};
