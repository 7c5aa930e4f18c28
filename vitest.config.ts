import { defineConfig } from 'vitest/config';

// Two projects: `default` is the quick suite (npm test), `long` holds fuzzing, soak and corpus-wide runs.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'default', include: ['test/**/*.test.ts'], testTimeout: 30_000, pool: 'forks' } },
      { test: { name: 'long', include: ['test/**/*.long.ts'], testTimeout: 1_200_000, pool: 'forks' } },
    ],
    maxWorkers: 2,
  },
});
