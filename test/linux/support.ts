// A bpffs of a test's own, and sessions with the kernel that have their pins there.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { type LinuxOptions, type LinuxSession, linuxSession } from '../../src/hosts/linux/session.ts';

/** Mounts a bpffs for the test, and takes it away after it. */
export function ownBpffs(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-linux-'));
  const mount = path.join(folder, 'bpf');
  mkdirSync(mount);
  execFileSync('mount', ['-t', 'bpf', 'bpf', mount]);
  onTestFinished(() => {
    execFileSync('umount', [mount]);
    rmSync(folder, { recursive: true });
  });
  return mount;
}

/** A session that ends with the test. */
export function ownSession(options: LinuxOptions = {}): LinuxSession {
  const session = linuxSession(options);
  onTestFinished(() => session.close());
  return session;
}
