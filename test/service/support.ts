// A service in this process on a context in memory, in a folder of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { connect, type ConnectOptions } from '../../src/client/connect.ts';
import type { ServiceSession } from '../../src/client/session.ts';
import { ExecutionContext } from '../../src/context/context.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { contextCounts } from '../../src/service/start.ts';
import { serve, type Service, type ServiceOptions } from '../../src/service/server.ts';

export const VERSION = '9.8.7-test';

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-service-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Served {
  readonly service: Service;
  readonly socket: string;
  readonly context: ExecutionContext;
  connect(options?: ConnectOptions): Promise<ServiceSession>;
}

/** A service that ends with the test. */
export async function served(options: Partial<ServiceOptions> = {}): Promise<Served> {
  const socket = options.socket ?? path.join(temporaryFolder(), 'service.sock');
  const context = new ExecutionContext({ host: memoryHost() });
  const service = await serve({
    socket,
    open: () => ({ context: { session: (caller) => context.session(caller), counts: () => contextCounts(context) } }),
    version: VERSION,
    ...options,
  });
  onTestFinished(async () => {
    await service.stop();
    context[Symbol.dispose]();
  });
  return { service, socket, context, connect: (wishes) => connect({ socket, ...wishes }) };
}
