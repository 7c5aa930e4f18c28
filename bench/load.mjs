// Time to read and link an object, beside libbpf's bpf_object__open of the same bytes (a small C program built here).
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { compile, least, nanoseconds, objectsBelow, project, read, ROOT, SHARED, table, write } from './support.mjs';

const { linkObject } = await project('src/link/link.ts');

const PEER = `
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static int quiet(enum libbpf_print_level level, const char *format, va_list args) { return 0; }
int main(int argc, char **argv) {
  libbpf_set_print(quiet);
  for (int i = 1; i < argc; i++) {
    double best = 1e18;
    int opened = 0;
    for (int round = 0; round < 9; round++) {
      struct timespec a, b;
      clock_gettime(CLOCK_MONOTONIC, &a);
      struct bpf_object *object = bpf_object__open_file(argv[i], NULL);
      clock_gettime(CLOCK_MONOTONIC, &b);
      opened = object != NULL;
      if (object) bpf_object__close(object);
      double ns = (b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec);
      if (ns < best) best = ns;
    }
    printf("%s %d %.0f\\n", argv[i], opened, best);
  }
}`;

const files = objectsBelow(SHARED).concat(objectsBelow(`${ROOT}/examples`));
const peer = compile(write('open.c', PEER), 'open', ['-O2', '-w'], 'gcc', ['-lbpf']);
const libbpf = new Map();
if (peer === undefined) console.log('  no libbpf: libbpf-dev or gcc is missing');
else {
  for (const line of spawnSync(peer, files, { encoding: 'utf8', maxBuffer: 1 << 26 })
    .stdout.trim()
    .split('\n')) {
    const [file, opened, ns] = line.split(' ');
    if (opened === '1') libbpf.set(file, Number(ns));
  }
}
const ours = new Map();
for (const file of files) {
  const bytes = read(file);
  ours.set(
    file,
    least(file === files[0] ? 9 : 3, () => nanoseconds(1, () => linkObject(bytes))),
  );
}
const row = (label, chosen) => {
  const mine = chosen.reduce((sum, file) => sum + ours.get(file), 0) / 1e6;
  const both = chosen.filter((file) => libbpf.has(file));
  const theirs = both.reduce((sum, file) => sum + libbpf.get(file), 0) / 1e6;
  const sameMine = both.reduce((sum, file) => sum + ours.get(file), 0) / 1e6;
  return [
    label,
    chosen.length,
    mine,
    both.length,
    both.length ? theirs : undefined,
    both.length ? sameMine / theirs : undefined,
  ];
};
table(
  'read and link, ms (libbpf: open only, which does not relocate code; the ratio is over what both open)',
  ['objects', 'files', 'ours', 'libbpf opens', 'libbpf', 'ratio'],
  [row(`largest: ${basename(files[0])}`, files.slice(0, 1)), row('all', files)],
);
