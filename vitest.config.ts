import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

// `stages` and `default` are the quick suite (npm test): those of the pipeline's pure stages share their modules, which takes a third
// less time, the others get a process each. `long` holds fuzzing, soak and corpus-wide runs, `core` is the part of the quick suite that
// needs nothing but the language (other runtimes run it), `chromium` is the same in a browser.
const core = ['test/core/**/*.test.ts'];
const STAGES =
  'capture elf btf isa link flow verify compile maps helpers programs run context hooks session compat conformance skeleton';
const stages = STAGES.split(' ').map((stage) => `test/${stage}/**/*.test.ts`);
/** Examples import the package by its name. */
const resolve = {
  alias: { 'anybpf/extension': new URL('src/context/providers/extension.ts', import.meta.url).pathname },
};
const globalSetup = ['test/support/global.ts'];
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      // Far above what any test takes, for machines that others keep busy.
      {
        resolve,
        test: { name: 'stages', include: stages, isolate: false, testTimeout: 120_000, pool: 'forks', globalSetup },
      },
      {
        resolve,
        test: {
          name: 'default',
          include: ['test/**/*.test.ts'],
          exclude: stages,
          testTimeout: 120_000,
          pool: 'forks',
          globalSetup,
        },
      },
      {
        resolve,
        test: { name: 'long', include: ['test/**/*.long.ts'], testTimeout: 1_200_000, pool: 'forks', globalSetup },
      },
      { test: { name: 'core', include: core, testTimeout: 30_000, pool: 'forks' } },
      {
        test: {
          name: 'chromium',
          include: core,
          testTimeout: 30_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: '/usr/bin/chromium',
                args: [
                  '--no-sandbox',
                  '--disable-gpu',
                  '--disable-background-networking',
                  '--disable-component-update',
                  '--disable-sync',
                ],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
