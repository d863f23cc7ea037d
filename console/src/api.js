// The server, through its own HTTP interface: commands, pipelines, events. Nothing here knows of the page.
import { fromBase64, percent, toBase64, toRaw, byteLength } from './bytes.js';

/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {Bytes | number} Arg */
/** What a command answers; errors inside of replies are ReplyErrors. Integers beyond 2^53 are bigints.
 * @typedef {any} Reply */

const CREDENTIAL = 'tokamak.credential';
const HEAD_BYTES = 15000; // of an address; the server takes 16 KB of head
const BODY_BYTES = 1000; // an argument from which on it is the body

/** The server answered with an error. */
export class ReplyError extends Error {
  /** The first word: WRONGTYPE, NOPERM … */
  get code() {
    return this.message.split(' ', 1)[0];
  }
}
/** Who are you? */
export class LoginError extends ReplyError {}
/** There is no answer at all. */
export class OfflineError extends Error {}

/** What changes how the server is asked; `onLogin` is called when it wants to know who asks. */
export const api = {
  db: 0,
  onLogin: (/** @type {LoginError} */ _error) => {},
};

/** For this tab only, and gone with it. @param {string} user @param {string} password */
export function setCredential(user, password) {
  sessionStorage.setItem(CREDENTIAL, `Basic ${toBase64(`${user}:${password}`)}`);
}

export function dropCredential() {
  sessionStorage.removeItem(CREDENTIAL);
}

export function hasCredential() {
  return sessionStorage.getItem(CREDENTIAL) !== null;
}

/** @param {string} path @param {RequestInit} init */
async function ask(path, init) {
  const credential = sessionStorage.getItem(CREDENTIAL);
  const headers = { ...init.headers, ...(credential ? { Authorization: credential } : {}) };
  try {
    // The browser must not answer a 401 with a dialog of its own.
    return await fetch(path, { ...init, headers, credentials: 'omit', cache: 'no-store', redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new OfflineError('The server does not answer.');
  }
}

/** Keeps the digits of integers that a double cannot hold. */
function reviveNumber(/** @type {string} */ _key, /** @type {any} */ value, /** @type {any} */ context) {
  const unsafe = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  return unsafe && context?.source ? BigInt(context.source) : value;
}

/** @param {any} value of JSON with base64 strings; "OK" alone is not encoded @returns {Reply} */
function decode(value) {
  if (typeof value === 'string') return value === 'OK' ? value : fromBase64(value);
  return Array.isArray(value) ? value.map(decode) : value;
}

/** @param {Response} response @param {any} body */
function check(response, body) {
  if (response.status === 401) {
    const error = new LoginError(body?.error ?? 'NOAUTH Authentication required.');
    api.onLogin(error);
    throw error;
  }
  if (typeof body?.error === 'string') throw new ReplyError(body.error);
  if (!response.ok) throw new ReplyError(`ERR HTTP status ${response.status}`);
}

/** @param {Response} response */
async function readJson(response) {
  const text = await response.text();
  try {
    return JSON.parse(text, /** @type {any} the third parameter is newer than the types */ (reviveNumber));
  } catch {
    throw new ReplyError(`ERR HTTP status ${response.status}`);
  }
}

/** @param {string} path @param {BodyInit | null} body @param {AbortSignal} [signal] @param {number} [db] */
async function post(path, body, signal, db = api.db) {
  const headers = { 'Upstash-Encoding': 'base64', 'Content-Type': 'application/json' };
  const mark = !path.includes('?') ? '?' : path.endsWith('?') ? '' : '&';
  const response = await ask(`${path}${db ? `${mark}db=${db}` : ''}`, {
    method: 'POST',
    headers,
    body,
    signal,
  });
  const answer = await readJson(response);
  check(response, answer);
  return answer;
}

/** @param {Arg[]} args */
const isText = (args) => args.every((arg) => !(arg instanceof Uint8Array));
/** @param {Arg} arg */
const bytesOf = (arg) => (arg instanceof Uint8Array ? arg : String(arg));

/** JSON has no bytes, so arguments that are no text travel in the query, and the longest, if it is long, as the body:
 * the server takes path, body, query in this order. "=" is an empty argument.
 * @param {Arg[]} args @returns {[string, BodyInit | null]} */
function addressOf(args) {
  const all = args.map(bytesOf),
    lengths = all.map(byteLength);
  const longest = lengths.indexOf(Math.max(...lengths)),
    body = lengths[longest] > BODY_BYTES ? longest : 0;
  const before = all.slice(0, Math.max(body, 1)),
    after = all.slice(body + 1);
  // The browser takes these for folders, even escaped.
  if (before.some((arg) => arg === '.' || arg === '..'))
    throw new ReplyError('ERR not possible with a name "." or ".."');
  const path = `/${before.map(percent).join('/')}?${after.map((arg) => hexPercent(arg) || '=').join('&')}`;
  if (path.length > HEAD_BYTES) throw new ReplyError('ERR too long for bytes that are no text');
  return [path, body ? /** @type {BodyInit} */ (all[body]) : null];
}

/** Even letters, so that no argument reads "db". @param {Bytes} bytes */
function hexPercent(bytes) {
  return percent(bytes).replace(/^[A-Za-z]/, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

/** Runs a command; throws a ReplyError when it answers one.
 * @param {Arg[]} args @param {AbortSignal} [signal] @param {number} [db] @returns {Promise<Reply>} */
export async function call(args, signal, db) {
  const [path, body] = isText(args) ? ['/', JSON.stringify(args.map(String))] : addressOf(args);
  return decode((await post(path, body, signal, db)).result);
}

/** The bytes of a string, however many. @param {Bytes} key @returns {Promise<Blob>} */
export async function fetchValue(key) {
  const name = percent(key);
  if (!name || /^(%2E){1,2}$/.test(name)) return new Blob([/** @type {BlobPart} */ (toRaw(await call(['GET', key])))]);
  const response = await ask(`/kv/${name}${api.db ? `?db=${api.db}` : ''}`, {});
  if (!response.ok) check(response, await readJson(response));
  return response.blob();
}

/** @param {any} answer @returns {Reply | ReplyError} */
function settle(answer) {
  return typeof answer.error === 'string' ? new ReplyError(answer.error) : decode(answer.result);
}

/** Runs commands together; their errors are in the result, in place.
 * @param {Arg[][]} commands @returns {Promise<(Reply | ReplyError)[]>} */
export async function pipeline(commands) {
  const texts = commands.filter(isText);
  const sent = texts.length ? post('/pipeline', JSON.stringify(texts.map((args) => args.map(String)))) : [];
  const [answers, ...rest] = await Promise.all([sent, ...commands.filter((args) => !isText(args)).map(callSettled)]);
  const settled = answers.map(settle);
  return commands.map((args) => (isText(args) ? settled.shift() : rest.shift()));
}

/** @param {Arg[]} args */
async function callSettled(args) {
  try {
    return await call(args);
  } catch (error) {
    if (error instanceof ReplyError && !(error instanceof LoginError)) return error;
    throw error;
  }
}

/** One transaction. @param {Arg[][]} commands of text alone @returns {Promise<Reply[]>} */
export async function transaction(commands) {
  const answers = (await post('/multi-exec', JSON.stringify(commands.map((args) => args.map(String))))).map(settle);
  const failed = answers.find((/** @type {any} */ answer) => answer instanceof ReplyError);
  if (failed) throw failed;
  return answers;
}

/** Server-sent events until the signal; calls with the data of each. Throws when the stream ends otherwise.
 * @param {string} path @param {(data: string) => void} onData @param {AbortSignal} signal @param {() => void} onOpen */
export async function events(path, onData, signal, onOpen) {
  const response = await ask(path, { signal });
  if (!response.ok || !response.body) check(response, await readJson(response));
  onOpen();
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader(),
    text = new TextDecoder();
  for (let rest = ''; ;) {
    const { done, value } = await reader.read().catch((error) => {
      if (signal.aborted) throw error;
      return { done: true, value: undefined };
    });
    if (done) throw new OfflineError('The server ended the stream.');
    const blocks = (rest + text.decode(value, { stream: true })).split('\n\n');
    rest = /** @type {string} */ (blocks.pop());
    for (const block of blocks)
      onData(
        block
          .split('\n')
          .map((line) => line.replace(/^data: ?/, ''))
          .join('\n'),
      );
  }
}

const AGAIN_MS = 1000;

/** The same, but a server that goes away, or is not ready, is asked again until the signal; `onLost` tells of it.
 * @param {string} path @param {(data: string) => void} onData @param {AbortSignal} signal @param {() => void} onOpen
 * @param {() => void} onLost */
export async function keepEvents(path, onData, signal, onOpen, onLost) {
  for (;;) {
    try {
      await events(path, onData, signal, onOpen);
    } catch (error) {
      const passes = error instanceof OfflineError || (error instanceof ReplyError && error.code === 'LOADING');
      if (signal.aborted || !passes) throw error;
    }
    onLost();
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    signal.throwIfAborted();
  }
}
