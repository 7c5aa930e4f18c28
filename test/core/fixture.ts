// Files of the project for tests that run anywhere: from the disk where there is one, from the test server in a browser.

/** @param path from the project's root */
export async function fixture(path: string): Promise<Uint8Array> {
  if (typeof document === 'object') {
    const response = await fetch(`/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
  const { readFile } = await import('node:fs/promises');
  return new Uint8Array(await readFile(new URL(`../../${path}`, import.meta.url)));
}
