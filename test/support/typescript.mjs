// For `node --import`: runs TypeScript files as they are, in worker threads and processes that a test starts.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
