/** What programs take and give back, where its short name does not say it. */
const NAMES: Readonly<Record<string, string>> = {
  ringRecord: 'ring buffer record',
  lock: 'spin lock',
  rcu: 'RCU read lock',
};

/** For messages: `ring buffer record`, `socket`. */
export const takenName = (what: string): string => NAMES[what] ?? what;
