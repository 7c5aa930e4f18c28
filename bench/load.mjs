// Time to read and link an object, beside libbpf's bpf_object__open_mem of the same bytes (a small C program built here), by turns.
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { compile, nanoseconds, objectsBelow, project, read, ROOT, SHARED, table, write } from './support.mjs';

const { linkObject } = await project('src/link/link.ts');

/** A line a file: its place in the arguments, nanoseconds or 0, and libbpf's first warning where it does not open it. */
const PEER = `
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static char warning[256];
static int keep(enum libbpf_print_level level, const char *format, va_list args) {
  if (level == LIBBPF_WARN && !warning[0]) vsnprintf(warning, sizeof(warning), format, args);
  return 0;
}
int main(int argc, char **argv) {
  libbpf_set_print(keep);
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (!file) return 1;
    fseek(file, 0, SEEK_END);
    size_t size = ftell(file);
    rewind(file);
    void *bytes = malloc(size);
    if (fread(bytes, 1, size, file) != size) return 1;
    fclose(file);
    double best = 0;
    warning[0] = 0;
    for (int round = 0; round < 3; round++) {
      struct timespec a, b;
      clock_gettime(CLOCK_MONOTONIC, &a);
      struct bpf_object *object = bpf_object__open_mem(bytes, size, NULL);
      clock_gettime(CLOCK_MONOTONIC, &b);
      if (!object) break;
      bpf_object__close(object);
      double ns = (b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec);
      if (best == 0 || ns < best) best = ns;
    }
    warning[strcspn(warning, "\\n")] = 0;
    printf("%d\\t%.0f\\t%s\\n", i - 1, best, best ? "" : warning);
    free(bytes);
  }
}`;

const ROUNDS = 5;
const files = objectsBelow(SHARED).concat(objectsBelow(`${ROOT}/examples`));
const figures = files.map((file) => ({
  file,
  bytes: read(file),
  ours: Number.POSITIVE_INFINITY,
  libbpf: Number.POSITIVE_INFINITY,
  reason: undefined,
}));

const peer = compile(write('open.c', PEER), 'open', ['-O2', '-w'], 'gcc', ['-lbpf']);
if (peer === undefined) console.log('  no libbpf: libbpf-dev or gcc is missing');
if (files.length < 10) console.log('  no corpus: the examples only');

function openByLibbpf() {
  const { status, stdout } = spawnSync(peer, files, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`libbpf's opener ended with ${status}`);
  for (const line of stdout.trim().split('\n')) {
    const [index, ns, reason] = line.split('\t');
    const figure = figures[Number(index)];
    if (Number(ns) > 0) figure.libbpf = Math.min(figure.libbpf, Number(ns));
    else figure.reason = reason.replace(/^libbpf: /, '') || 'no reason given';
  }
}

for (let round = 0; round < ROUNDS; round++) {
  if (peer !== undefined) openByLibbpf();
  for (const figure of figures) {
    figure.ours = Math.min(
      figure.ours,
      nanoseconds(1, () => linkObject(figure.bytes)),
    );
  }
}

const sum = (chosen, key) => chosen.reduce((total, figure) => total + figure[key], 0) / 1e6;
const opened = figures.filter(({ libbpf }) => Number.isFinite(libbpf));
const refused = figures.filter(({ reason }) => reason !== undefined);
if (refused.length > 0) {
  const { file, reason } = refused[0];
  console.log(
    `  libbpf opens ${opened.length} of ${files.length}; the largest that it refuses, ${basename(file)}: ${reason}`,
  );
}

function row(label, chosen) {
  const both = chosen.every(({ libbpf }) => Number.isFinite(libbpf));
  const mine = sum(chosen, 'ours');
  const theirs = both ? sum(chosen, 'libbpf') : undefined;
  return [label, String(chosen.length), mine, theirs, theirs && mine / theirs];
}
const rows = [row(`largest: ${basename(files[0])}`, figures.slice(0, 1)), row('all', figures)];
if (opened.length > 0 && refused.length > 0) {
  rows.push(row(`largest that libbpf opens: ${basename(opened[0].file)}`, opened.slice(0, 1)));
  rows.push(row('all that libbpf opens', opened));
}
table(
  'ms to read and link; libbpf opens only, it relocates code later',
  ['objects', 'files', 'ours', 'libbpf', 'ratio'],
  rows,
);
