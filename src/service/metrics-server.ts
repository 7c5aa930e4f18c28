// GET /metrics over HTTP, for Prometheus. Whoever can connect may read it: a port of the loopback interface, or a unix socket for the
// owner alone.
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { fail } from '../base/diagnostic.ts';
import { badMetricsAddress, cannotServeMetrics } from '../base/messages/service.ts';
import { answers } from './listen.ts';
import { METRICS_TYPE } from './metrics.ts';

export type MetricsAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** `HOST:PORT`, `[::1]:PORT` or `unix:PATH`. Raises service/metrics-address. */
export function metricsAddress(text: string): MetricsAddress {
  if (text.startsWith('unix:') && text.length > 5) return { path: text.slice(5) };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) return fail(badMetricsAddress({}, text));
  return { host, port: Number(port) };
}

export interface MetricsServer {
  /** Where it answers: `http://127.0.0.1:9090/metrics`, `unix:/run/metrics.sock`. */
  readonly url: string;
  close(): Promise<void>;
}

/** A scrape that is asked for while one is made gets the same text. */
function once(make: () => Promise<string>): () => Promise<string> {
  let running: Promise<string> | undefined;
  return () => {
    running ??= make().finally(() => {
      running = undefined;
    });
    return running;
  };
}

const MOST_CONNECTIONS = 32;
const TIMEOUT = 10_000;

/** Serves the text that `metrics` gives. Raises service/metrics where the address cannot be taken. */
export async function serveMetrics(
  address: MetricsAddress,
  metrics: () => Promise<string>,
  failed: (error: unknown) => void = () => undefined,
): Promise<MetricsServer> {
  const text = once(metrics);
  const server = createServer(
    { requestTimeout: TIMEOUT, headersTimeout: TIMEOUT, maxHeaderSize: 8192 },
    (request, response) => {
      const { method, url } = request;
      const [path] = (url ?? '').split('?');
      request.resume();
      if (path !== '/metrics') return void response.writeHead(404).end();
      if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
      text().then(
        (body) => response.writeHead(200, { 'content-type': METRICS_TYPE }).end(method === 'HEAD' ? undefined : body),
        (error: unknown) => {
          failed(error);
          response.writeHead(500).end();
        },
      );
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.unref();
  await listening(server, address);
  return {
    url: 'path' in address ? `unix:${address.path}` : urlOf(server.address() as AddressInfo),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const isSocket = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;

const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/metrics`;

async function listening(server: Server, address: MetricsAddress): Promise<void> {
  // A socket that nobody answers at is left from a service that was killed; anything else is somebody's.
  if ('path' in address && isSocket(address.path) && !(await answers(address.path))) rmSync(address.path);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      try {
        fail(cannotServeMetrics({}, shown(address), error.message), error);
      } catch (finding) {
        reject(finding);
      }
    });
    const mask = process.umask(0o077);
    try {
      server.listen(address, () => {
        if ('path' in address) chmodSync(address.path, 0o600);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

const shown = (address: MetricsAddress): string =>
  'path' in address ? `unix:${address.path}` : `${address.host}:${address.port}`;
