// A file of tokens: lines `ROLE TOKEN`, empty ones and those that begin with # passed over. Where a service has one, a socket alone gives
// no role: a connection has the lesser of its socket's and its token's.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { cannotStart } from '../base/messages/service.ts';
import type { Role } from '../spec/session.ts';
import { isRole } from './paths.ts';

const OTHERS = 0o077;
const LEAST = 16;

const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * Reads a file of tokens.
 *
 * @returns the role of a token, undefined for one that is not in the file
 * @throws AnyBpfError service/start where it cannot be read, others may read it, or a line is none
 */
export function readTokens(file: string): (token: string) => Role | undefined {
  const known: { readonly role: Role; readonly digest: Buffer }[] = [];
  for (const [at, line] of contents(file).split('\n').entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [role, token = '', ...rest] = text.split(/\s+/);
    if (!isRole(role) || token.length < LEAST || rest.length > 0)
      fail(cannotStart({ file, line: at + 1 }, `a line is ROLE TOKEN, with a token of ${LEAST} characters or more`));
    known.push({ role, digest: digest(token) });
  }
  return (token) => {
    const asked = digest(token);
    // All are compared, each in the same time.
    return known.filter((one) => timingSafeEqual(one.digest, asked))[0]?.role;
  };
}

function contents(file: string): string {
  try {
    if (process.platform !== 'win32' && (statSync(file).mode & OTHERS) !== 0)
      fail(cannotStart({ file }, 'others than its owner may read the tokens (chmod 600)'));
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof AnyBpfError) throw error;
    throw new AnyBpfError(cannotStart({ file }, (error as Error).message), { cause: error });
  }
}
