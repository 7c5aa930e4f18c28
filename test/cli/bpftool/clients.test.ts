// The same commands to a context in this process, to the service, to the kernel by our own calls, and to the real bpftool on the kernel: equal answers, equal exit codes.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROJECT_ROOT } from '../../support/shared.ts';
import { example } from '../support.ts';
import { normal, normalText, parsed } from './normal.ts';
import {
  type Client,
  compiled,
  embeddedClient,
  kernelClient,
  linuxClient,
  noBpftool,
  serviceClient,
} from './support.ts';

const objectOf = (folder: string): string => path.join(PROJECT_ROOT, example(folder));
const COUNTERS = objectOf('counters');
const DROP = objectOf('drop-port');

/** Types that need no other object, with what they take. */
const MAPS: readonly (readonly [type: string, sizes: string])[] = [
  ['hash', 'key 4 value 4 entries 4'],
  ['array', 'key 4 value 4 entries 4'],
  ['percpu_hash', 'key 4 value 12 entries 4'],
  ['percpu_array', 'key 4 value 12 entries 4'],
  ['lru_hash', 'key 4 value 4 entries 4'],
  ['lru_percpu_hash', 'key 4 value 4 entries 4'],
  ['lpm_trie', 'key 8 value 4 entries 4 flags 1'],
  ['stack_trace', 'key 4 value 64 entries 4'],
  ['cgroup_array', 'key 4 value 4 entries 4'],
  ['prog_array', 'key 4 value 4 entries 4'],
  ['perf_event_array', 'key 4 value 4 entries 4'],
  ['devmap', 'key 4 value 4 entries 4'],
  ['devmap_hash', 'key 4 value 8 entries 4'],
  ['cpumap', 'key 4 value 4 entries 2'],
  ['sockmap', 'key 4 value 4 entries 4'],
  ['sockhash', 'key 4 value 4 entries 4'],
  ['reuseport_sockarray', 'key 4 value 8 entries 4'],
];

/** All bytes of `struct value` of listing.bpf.c, none of them 0. */
const VALUE = Array.from({ length: 112 }, (_, i) => (i + 1).toString(16).padStart(2, '0')).join(' ');

/** Lines of one story, in order; each is compared. */
const STORIES: Readonly<Record<string, readonly string[]>> = {
  'hash maps': [
    'map create $D/h type hash key 4 value 8 entries 4 name h flags 1',
    'map show pinned $D/h',
    'map dump pinned $D/h',
    'map update pinned $D/h key 1 0 0 0 value 1 2 3 4 5 6 7 8',
    'map update pinned $D/h key hex 01 02 03 0a value hex ff ee dd cc 01 02 03 04 noexist',
    'map update pinned $D/h key 0x01 02 3 0xa value 1 1 1 1 1 1 1 1 noexist',
    'map update pinned $D/h value 8 7 6 5 4 3 2 1 exist key 1 0 0 0',
    'map update pinned $D/h key 9 0 0 0 value 1 1 1 1 1 1 1 1 exist',
    'map update pinned $D/h k 2 0 0 0 v 1 1 1 1 1 1 1 1 a',
    'map update pinned $D/h key 3 0 0 0 value 1 1 1 1 1 1 1 1',
    'map update pinned $D/h key 4 0 0 0 value 1 1 1 1 1 1 1 1',
    'map dump pinned $D/h',
    'map lookup pinned $D/h key 1 0 0 0',
    'map lookup pinned $D/h key 7 0 0 0',
    'map delete pinned $D/h key 1 0 0 0',
    'map delete pinned $D/h key 1 0 0 0',
    'map delete pinned $D/h key 2 0 0 0',
    'map delete pinned $D/h key 3 0 0 0',
    'map getnext pinned $D/h',
    'map getnext pinned $D/h key 1 2 3 10',
    'map freeze pinned $D/h',
    'map update pinned $D/h key 3 0 0 0 value 1 1 1 1 1 1 1 1',
    'map show pinned $D/h',
    'map freeze pinned $D/h',
    'map pin pinned $D/h $D/h2',
    'map pin pinned $D/h $D/h2',
    'map show pinned $D/h2 -f',
    'm s p $D/h2',
  ],
  'arrays and others': [
    'map create $D/a type array key 4 value 20 entries 2 name arr',
    'map dump pinned $D/a',
    'map getnext pinned $D/a',
    'map getnext pinned $D/a key 0 0 0 0',
    'map getnext pinned $D/a key 1 0 0 0',
    'map delete pinned $D/a key 1 0 0 0',
    'map lookup pinned $D/a key 5 0 0 0',
    'map update pinned $D/a key 5 0 0 0 value 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    'map create $D/q type queue value 4 entries 2 name q',
    'map push pinned $D/q value 1 0 0 0',
    'map enqueue pinned $D/q value 2 0 0 0',
    'map enqueue pinned $D/q value 3 0 0 0',
    'map peek pinned $D/q',
    'map pop pinned $D/q',
    'map dequeue pinned $D/q',
    'map dequeue pinned $D/q',
    'map peek pinned $D/q',
    'map show pinned $D/q',
    'map create $D/s type stack value 4 entries 2 name s',
    'map push pinned $D/s value 1 0 0 0',
    'map push pinned $D/s value 2 0 0 0',
    'map pop pinned $D/s',
    'map create $D/l type lpm_trie key 8 value 4 entries 4 name l flags 1',
    'map update pinned $D/l key 8 0 0 0 10 0 0 0 value 1 0 0 0',
    'map lookup pinned $D/l key 32 0 0 0 10 1 2 3',
    'map lookup pinned $D/l key 32 0 0 0 11 1 2 3',
    'map dump pinned $D/l',
    'map create $D/lru type lru_hash key 4 value 4 entries 16 name lru',
    'map update pinned $D/lru key 1 0 0 0 value 1 0 0 0',
    'map dump pinned $D/lru',
    'map create $D/rb type ringbuf entries 4096 name rb',
    'map show pinned $D/rb',
    'map create $D/pa type prog_array key 4 value 4 entries 4 name pa',
    'map dump pinned $D/pa',
    'map create $D/in type array key 4 value 4 entries 1 name in',
    'map create $D/mm type hash_of_maps key 4 value 4 entries 4 name mm inner_map pinned $D/in',
    'map update pinned $D/mm key 1 0 0 0 value pinned $D/in',
    'map show pinned $D/mm',
  ],
  'types of maps': MAPS.flatMap(([type, sizes]) => [
    `map create $D/${type} type ${type} ${sizes} name ${type.slice(0, 15)}`,
    // The kernel adds BPF_F_RDONLY_PROG to the flags of devmaps.
    ...(type.startsWith('devmap') ? [] : [`map show pinned $D/${type}`]),
    `map getnext pinned $D/${type}`,
    `map dump pinned $D/${type}`,
  ]),
  'what map create refuses': [
    'map create',
    'map create $D/x type',
    'map create $D/x type nosuch key 4 value 4 entries 1 name z',
    'map create $D/x type hash key 4 value 4 entries 1',
    'map create $D/x type hash key 4 value 4 name z',
    'map create $D/x type hash key 4 key 4 value 4 entries 1 name z',
    'map create $D/x type hash key 4z value 4 entries 1 name z',
    'map create $D/x type hash key 4 value 4 entries 1 name z flags 0x800000',
    'map create $D/x type hash key 4 value 4 entries 1 name z foo 1',
    'map create $D/x type hash key 4 value 4 entries 1 name',
    'map create $D/x type hash key 0 value 4 entries 1 name z',
    'map create $D/x type array key 4 value 4 entries 0 name z',
    'map create $D/x type hash key 4 value 4 entries 1 name z dev nonexist0',
    'map show pinned $D/x',
  ],
  'what the grammar refuses': [
    'map create $D/h type hash key 4 value 8 entries 4 name h',
    'map update pinned $D/h',
    'map update pinned $D/h key 1 0 0 0',
    'map update pinned $D/h key 1 0 0',
    'map update pinned $D/h key 1 0 0 0x value 0',
    'map update pinned $D/h key 1 0 0 0 value 0 0 0 0 0 0 0',
    'map update pinned $D/h key 1 0 0 0 value 0 0 0 0 0 0 0 0 any any',
    'map update pinned $D/h key 1 0 0 0 foo',
    'map update pinned $D/h key 1 0 0 0 key 1 0 0 0',
    'map lookup pinned $D/h',
    'map lookup pinned $D/h value 1',
    'map show id 4000000000',
    'map show id 12x',
    'map show foo 1',
    'map show id',
    'map show pinned /nonexistent/pin',
    'map pin pinned $D/h',
    'map foo',
    'foo',
    'prog show id 4000000000',
    'prog show id 5g',
    'prog show foo 1',
    'prog show tag zzz',
    'prog show pinned $D/h',
    'prog pin id 4000000000 $D/z',
    'prog load',
    'prog load /nonexistent.o $D/z',
    `prog load ${DROP} $D/z foo`,
    `prog load ${DROP} $D/z map name nonexist pinned $D/h`,
    `prog load ${DROP} $D/z map idx 200 pinned $D/h`,
    'prog dump xlated id 4000000000',
    'prog dump foo id 1',
    'prog attach id 4000000000 sk_msg_verdict id 1',
    'prog run id 4000000000 data_in x',
    'link show id 2000000000',
    'link show pinned $D/h',
    'link show foo 1',
    'link foo',
    'btf dump file /nonexistent',
    'btf show id 4000000000',
    'batch file /nonexistent',
    'batch foo',
    'net foo',
    'net attach xdp id 4000000000 dev lo',
    'net attach foo id 1 dev lo',
    'help',
    'prog help',
  ],
  programs: [
    `prog load ${COUNTERS} $D/count`,
    'prog show pinned $D/count',
    'prog pin pinned $D/count $D/count2',
    'prog pin pinned $D/count $D/count2',
    'prog show pinned $D/count2 -f',
    `prog loadall ${COUNTERS} $D/all pinmaps $D/maps`,
    `prog loadall ${COUNTERS} $D/all`,
    'map show pinned $D/maps/protocols',
    'map dump pinned $D/maps/protocols',
    'map dump pinned $D/maps/counters_bss',
    'prog run pinned $D/count data_in $T/frame repeat 3',
    'prog run pinned $D/count data_in $T/frame data_out -',
    'prog run pinned $D/count data_in $T/frame data_size_out 4',
    'prog run pinned $D/count data_in $T/none',
    'prog run pinned $D/count data_in $T/frame repeat x',
    'prog run pinned $D/count data_in $T/frame foo',
    'prog run pinned $D/count repeat 2',
    `prog load ${DROP} $D/drop map name settings pinned $D/maps/protocols`,
    `prog load ${DROP} $D/drop`,
    'prog run pinned $D/drop data_in $T/frame',
    'prog dump xlated pinned $D/count nonsense',
    'link show pinned $D/count',
  ],
  listings: [
    'prog loadall $T/listing.bpf.o $D/l pinmaps $D/maps',
    'prog dump xlated pinned $D/l/branchy',
    'prog dump xlated pinned $D/l/branchy opcodes',
    'prog dump xlated pinned $D/l/branchy linum',
    'prog dump xlated pinned $D/l/branchy visual',
    'prog d x p $D/l/branchy l',
    'prog dump xlated pinned $D/l/branchy file $T/code',
    'btf dump prog pinned $D/l/branchy',
    'btf dump prog pinned $D/l/branchy format c',
    'btf dump prog pinned $D/l/branchy format z',
    'btf dump prog pinned $D/l/branchy nonsense',
    'btf dump map pinned $D/maps/values',
    'btf dump map pinned $D/maps/values key',
    'btf dump map pinned $D/maps/values value',
    'btf dump map pinned $D/maps/values kv',
    'btf dump map pinned $D/maps/values format c',
    `map update pinned $D/maps/values key 1 0 0 0 value hex ${VALUE}`,
    'map dump pinned $D/maps/values',
    'map lookup pinned $D/maps/values key 1 0 0 0',
    `map update pinned $D/maps/values key 1 0 0 0 value ${'0 '.repeat(112).trim()}`,
    'map dump pinned $D/maps/values',
    'map dump pinned $D/maps/each',
    `map update pinned $D/maps/each key 1 0 0 0 value 1 0 0 0 1 2 3 4 5 6 104 105 0 0 0 0 0 0 0 0`,
    'map lookup pinned $D/maps/each key 1 0 0 0',
    'map dump pinned $D/maps/listing_data',
    'map dump pinned $D/maps/listing_rodata',
    'map show pinned $D/maps/listing_rodata',
    'map show pinned $D/maps/listing_data',
    '-p map dump pinned $D/maps/each',
    '-p prog dump xlated pinned $D/l/branchy linum',
  ],
  network: [
    'net show',
    `prog load ${DROP} $D/drop`,
    `prog load ${COUNTERS} $D/count`,
    'net attach xdp pinned $D/drop dev lo',
    'net attach xdpgeneric pinned $D/drop dev lo',
    'net attach xdpgeneric pinned $D/drop dev lo overwrite',
    'net attach xdp pinned $D/drop dev lo nonsense',
    'net attach xdp pinned $D/drop dev',
    'net attach xdp pinned $D/drop foo lo',
    'net attach xdp pinned $D/drop dev nonexist0',
    'net attach xdp pinned $D/count dev lo',
    'net show',
    'net list dev lo',
    'net show dev nonexist0',
    'net d xdp dev lo',
    'net detach xdpgeneric dev lo',
    'net detach xdp dev lo',
    'net detach foo dev lo',
    'net detach xdp',
    'net',
    'link show',
    'link list',
    'perf show',
    'perf',
    'struct_ops show',
    'struct_ops dump',
    'struct_ops show id 2000000000',
    `struct_ops register ${DROP}`,
    'struct_ops unregister id 2000000000',
    'cgroup show',
    'cgroup attach /sys/fs/cgroup foo id 1',
    'cgroup detach /sys/fs/cgroup foo id 1',
    'cgroup attach /x',
    'cgroup show / foo',
    'iter pin foo',
    'iter pin /nonexistent.o $D/it',
    'feature foo',
    'feature probe foo',
    'feature probe dev nonexist0',
    'feature list_builtins',
    'feature list_builtins foo',
    'btf show foo',
    'btf dump file /nonexistent format c',
    `btf dump file ${DROP} format c`,
  ],
  types: [`btf dump file ${COUNTERS}`, `btf dump file ${DROP}`],
};

/** An Ethernet frame with an IPv4 packet of UDP. */
const FRAME = Buffer.from(
  `ffffffffffff0200000000010800450000240001000040117cc50a0000010a0000020035003500100000${'00'.repeat(22)}`,
  'hex',
);

/** A form of the output, and what of it is the same for all clients. */
interface Form {
  readonly name: string;
  readonly options: readonly string[];
  compared(out: string, err: string): object;
}

/** Refusals are the same sentence in both forms: what is refused is compared as JSON only. */
const FORMS: readonly Form[] = [
  { name: 'json', options: ['-j'], compared: (out) => ({ json: normal(parsed(out)) }) },
  { name: 'text', options: [], compared: (out, err) => ({ out: normalText(out), err: normalText(err) }) },
];

const skipped = noBpftool();

/** Of links the kernel tells those of all processes, whatever their network. */
const OF_ALL = new Set(['link show', 'link list']);

describe('bpftool by its clients', () => {
  let clients: Client[] = [];
  beforeAll(async () => {
    if (skipped !== undefined) console.warn(`without the real bpftool: ${skipped}`);
    clients = [
      embeddedClient(),
      await serviceClient(),
      ...(skipped === undefined ? [kernelClient(), linuxClient()] : []),
    ];
    for (const { files } of clients) {
      writeFileSync(path.join(files, 'frame'), FRAME);
      if (compiled('listing.bpf.c', files) === undefined) console.warn('without listings: there is no clang for BPF');
    }
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
  });

  /** What each client answers; a story's pins are its own, in each form. */
  async function asked(form: Form, story: string, line: string) {
    const words = line.replaceAll('$D/', `$D/${form.name}-${story.replaceAll(' ', '-')}-`).split(' ');
    return Promise.all(
      clients.map(async (client): Promise<unknown> => {
        const { code, out, err } = await client.run([...form.options, ...words]);
        const plain = (text: string): string =>
          text.replaceAll(client.pins, '$D').replaceAll(client.files, '$T').replaceAll(`${form.name}-`, '');
        return { code, ...form.compared(plain(out), plain(err)) };
      }),
    );
  }

  describe.each(FORMS)('as $name', (form) => {
    const stories = Object.entries(STORIES).filter(([story]) => form.name === 'json' || !story.startsWith('what '));
    describe.each(stories)('%s', (story, lines) => {
      it.each(lines.map((line, i) => [i, line] as const))('%i: %s', async (_, line) => {
        const answers = await asked(form, story, line);
        const [first, ...others] = OF_ALL.has(line) ? answers.filter((_, i) => !clients[i].shared) : answers;
        expect(others.length).toBeGreaterThan(0);
        for (const other of others) expect(other).toEqual(first);
      });
    });
  });
});
