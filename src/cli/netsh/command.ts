// What each command of netsh is made of.
import type { Fd, LoadedObjectInfo, Session } from '../../spec/session.ts';
import type { Tags, Values } from './grammar.ts';

/** An object that `add program` loaded, with the link of its first program where that has a handle. */
export interface AddedObject {
  readonly loaded: LoadedObjectInfo;
  linkFd?: Fd | undefined;
}

/** What a command may use. Objects that were added stay with it, as with netsh's process, until they are deleted or it ends. */
export interface Shell {
  write(text: string): void;
  session(): Promise<Session>;
  readonly objects: Set<AddedObject>;
}

export interface NetshCommand {
  readonly group: 'add' | 'delete' | 'set' | 'show' | 'pin' | 'unpin';
  readonly noun: string;
  readonly summary: string;
  readonly tags: Tags;
  run(shell: Shell, words: Values<Tags>): Promise<void>;
}

/** A command with its tags by name. */
export const command = <T extends Tags>(
  row: Omit<NetshCommand, 'tags' | 'run'> & {
    readonly tags: T;
    run(shell: Shell, values: Values<T>): Promise<void>;
  },
  // The values that `run` is called with are those that its own tags were parsed with.
): NetshCommand => row as unknown as NetshCommand;

/** A command ends without success, and has said all in netsh's own words. */
export class Failed extends Error {
  readonly text: string;
  /** A line feed is added. */
  constructor(text: string) {
    super(text);
    this.text = `${text}\n`;
  }
}

export const refuse = (text: string): never => {
  throw new Failed(text);
};
