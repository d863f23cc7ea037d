// What both client tests share: the port, and data that shows a broken encoding.
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

export const port = Number(process.env.TOKAMAK_PORT);
if (!port) throw new Error('TOKAMAK_PORT is not set');

// Over TLS when an authority is given. The certificate names no host.
const read = (name) => readFileSync(process.env[name]);
export const tls = process.env.TOKAMAK_CA
  ? { ca: read('TOKAMAK_CA'), cert: read('TOKAMAK_CERT'), key: read('TOKAMAK_KEY'), checkServerIdentity: () => undefined }
  : undefined;

export const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
export const unicode = 'żółć ☃ \r\n end';
export const protocols = [2, 3];

/** One test per protocol, with a client that is closed at its end whatever happens. */
export function each(name, open, close, body) {
  for (const protocol of protocols) {
    test(`${name} (RESP${protocol})`, async () => {
      const client = await open(protocol);
      try {
        await body(client, protocol);
      } finally {
        await close(client);
      }
    });
  }
}

/** Waits until the condition holds; a fixed sleep is either too long or too short. */
export async function until(condition, ms = 5000) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('condition not reached');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
