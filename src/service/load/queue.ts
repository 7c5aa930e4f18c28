// Who is served next: one task of each client in turn, so that a client with a thousand loads does not keep another waiting for all of
// them.

export class FairQueue<Client extends object, Task> {
  /** Clients that wait, in the order in which they are served; each with its tasks, oldest first. */
  readonly #waiting = new Map<Client, Task[]>();

  add(client: Client, task: Task): void {
    const tasks = this.#waiting.get(client);
    if (tasks === undefined) this.#waiting.set(client, [task]);
    else tasks.push(task);
  }

  /** The next task; its client goes to the end. */
  take(): Task | undefined {
    for (const [client, tasks] of this.#waiting) {
      this.#waiting.delete(client);
      const task = tasks.shift();
      if (tasks.length > 0) this.#waiting.set(client, tasks);
      return task;
    }
    return undefined;
  }

  /** All tasks, which are not there any more. */
  drain(): Task[] {
    const all = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return all;
  }

  get size(): number {
    let size = 0;
    for (const tasks of this.#waiting.values()) size += tasks.length;
    return size;
  }
}
