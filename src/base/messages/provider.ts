// What is said of extension providers, and of programs whose providers are away.
import { message } from '../diagnostic.ts';

export const providerAway = message(
  'provider/away',
  (what: readonly string[]) => `the program needs what no provider brings now: ${what.join(', ')}`,
  { hint: 'register the provider again' },
);

export const informationChanged = message(
  'provider/changed',
  (verified: string, now: string) =>
    `the program was verified against other program information (hash ${verified.slice(0, 16)}) than there is now (${now.slice(0, 16)})`,
  { hint: 'load the program again, or bring back the provider that it was verified against' },
);

export const functionAway = message(
  'provider/function-away',
  (name: string) => `${name} was called while its provider is away`,
);
