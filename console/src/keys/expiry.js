// Times to live of members. Hashes and sorted sets have commands for many members at once, sets for one.
import { ReplyError, call, pipeline } from '../api.js';
import { byteLength } from '../bytes.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */
/** `load` gives the milliseconds that are left, null: for ever, undefined: not known. `set` takes null for ever.
 * @typedef {{load: (key: Bytes, names: Bytes[]) => Promise<(number | null | undefined)[]>,
 *   set: (key: Bytes, name: Bytes, ms: number | null) => Promise<unknown>}} Expiry */

const ADDRESS_BYTES = 3000; // of names that are no text: they travel in the address
const GONE = 'It is gone: it has expired, or somebody has removed it.';
// A member of a set loses its time only when it leaves. Another one, which is nowhere else, keeps the key meanwhile.
const KEEP_FOR_EVER =
  "if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return 0 end redis.call('SADD', KEYS[1], ARGV[2]) redis.call('SREM', KEYS[1], ARGV[1]) redis.call('SADD', KEYS[1], ARGV[1]) redis.call('SREM', KEYS[1], ARGV[2]) return 1";

/** A field of a form for a time to live. @param {number | null | undefined} ms that is left
 * @param {string} forEver what it means to leave it empty @returns {import('../ui/dialog.js').Field} */
export function timeField(ms, forEver) {
  return {
    name: 'ttl',
    label: 'Time to live in seconds',
    type: 'number',
    min: 0,
    step: 'any',
    value: typeof ms === 'number' ? String(ms / 1000) : '',
    hint: `Empty: ${forEver}.`,
  };
}

/** @param {string} text of such a field @returns {number | null} in milliseconds */
export function timeOfField(text) {
  if (text === '') return null;
  const ms = Math.round(Number(text) * 1000);
  if (!(ms > 0)) throw new ReplyError('The time must be more than 0.');
  return ms;
}

/** @param {any} reply milliseconds, -1: for ever, else it is not there */
const timeOf = (reply) => (typeof reply !== 'number' || reply < -1 ? undefined : reply < 0 ? null : reply);

/** Names that go in one command. @param {Bytes} key @param {Bytes[]} names */
function groupsOf(key, names) {
  const text = typeof key === 'string' && names.every((name) => typeof name === 'string');
  /** @type {Bytes[][]} */
  const groups = [];
  for (let i = 0, room = 0; i < names.length; i++) {
    const bytes = text ? 0 : byteLength(names[i]) + 10;
    if (!groups.length || bytes > room) {
      groups.push([]);
      room = ADDRESS_BYTES;
    }
    groups[groups.length - 1].push(names[i]);
    room -= bytes;
  }
  return groups;
}

/** @param {string} letter of the type's commands @param {string} word in front of the members @returns {Expiry} */
function ofMany(letter, word) {
  return {
    load: async (key, names) => {
      const groups = groupsOf(key, names);
      const replies = await pipeline(groups.map((group) => [`${letter}PTTL`, key, word, group.length, ...group]));
      return groups.flatMap((group, i) =>
        group.map((_, k) => (replies[i] instanceof Error ? undefined : timeOf(replies[i][k]))),
      );
    },
    set: async (key, name, ms) => {
      const time = ms === null ? [`${letter}PERSIST`, key] : [`${letter}PEXPIRE`, key, ms];
      const [done] = await call([...time, word, 1, name]);
      if (done === -2) throw new ReplyError(GONE);
    },
  };
}

export const hashExpiry = ofMany('H', 'FIELDS');
export const zsetExpiry = ofMany('Z', 'MEMBERS');

/** @type {Expiry} */
export const setExpiry = {
  load: async (key, names) => {
    const replies = await pipeline(names.map((name) => ['FIELDTTL', key, name]));
    return replies.map((seconds) => timeOf(seconds > 0 ? seconds * 1000 : seconds));
  },
  set: async (key, name, ms) => {
    const spare = `spare-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
    const done = await call(
      ms === null
        ? ['EVAL', `#!lua flags=declared-keys\n${KEEP_FOR_EVER}`, 1, key, name, spare]
        : ['EXPIREMEMBER', key, name, ms, 'ms'],
    );
    if (!done) throw new ReplyError(GONE);
  },
};
