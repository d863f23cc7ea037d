// The types of values: how each is shown and created.
import { hash } from './hash.js';
import { list } from './list.js';
import { set } from './set.js';
import { stream } from './stream.js';
import { string } from './string.js';
import { zset } from './zset.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */
/** `refresh` brings the head of the key up to date, `changed(null)` says that the key is gone.
 * @typedef {{signal: AbortSignal, refresh: () => Promise<unknown>, changed: (key: Bytes | null) => void}} ViewContext */
/** `create` gives the command for a new key out of what the dialog asks.
 * @typedef {{show: (root: HTMLElement, key: Bytes, context: ViewContext) => void,
 *   create: (key: Bytes, first: string, value: string) => import('../api.js').Arg[]}} ValueType */

/** @type {Record<string, ValueType>} */
export const TYPES = { string, hash, list, set, zset, stream };
