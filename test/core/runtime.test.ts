import { expect, test } from 'vitest';

// `ANYBPF_RUNTIME` is set by scripts/test-runtimes.mjs: proof that the tests run inside the runtime that was asked for.
const wanted = (import.meta as unknown as { env: Record<string, string | undefined> }).env.VITE_ANYBPF_RUNTIME;

function runtime(): string {
  const g = globalThis as Record<string, unknown>;
  if (g.Bun !== undefined) return 'bun';
  if (g.Deno !== undefined) return 'deno';
  if (typeof g.document === 'object') return 'chromium';
  return `node${(g.process as { versions: { node: string } }).versions.node.split('.')[0]}`;
}

test.skipIf(wanted === undefined)(`the tests run in ${wanted ?? 'whatever runtime this is'}`, () => {
  expect(runtime()).toBe(wanted);
});
