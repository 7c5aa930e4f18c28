// The thread behind an Asker (ask.ts): has a session with the service, and fires one hook after the other.
import { workerData } from 'node:worker_threads';
import { AnyBpfError } from '../base/diagnostic.ts';
import { noPolicyAnswer } from '../base/messages/sockets.ts';
import { connect } from '../client/connect.ts';
import type { HookEvent } from '../spec/session.ts';
import type { Answer, AskWorkerData } from './ask.ts';

const { socket, port, answers } = workerData as AskWorkerData;
const count = new Int32Array(answers);

/** The answer is there before the thread that waits is woken. */
function answer(message: Answer): void {
  port.postMessage(message, []);
  Atomics.add(count, 0, 1);
  Atomics.notify(count, 0);
}

const failed = (error: unknown): Answer => ({
  error: error instanceof AnyBpfError ? error.diagnostic : noPolicyAnswer({}, String(error)),
});

try {
  const session = await connect({ client: 'anybpf/register', ...(socket === undefined ? {} : { socket }) });
  port.on('message', (event: HookEvent) => {
    session.call('hook.fire', event).then(
      (verdict) => {
        answer({ verdict });
      },
      (error: unknown) => {
        answer(failed(error));
      },
    );
  });
  answer({ ready: true });
} catch (error) {
  answer(failed(error));
}
