// Lists. An index means another element as soon as somebody pushes or pops, so edits name the element they expect.
import { ReplyError, call } from '../api.js';
import { unescape } from '../bytes.js';
import { bytesField, bytesOfField, collectionView } from './collection.js';

const MOVED = 'The list has changed meanwhile: load it again.';
const SET =
  "if redis.call('LINDEX', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end redis.call('LSET', KEYS[1], ARGV[1], ARGV[3]) return 1";
// LREM finds by value: the element becomes one that is nowhere else. ARGV[3] is random.
const REMOVE =
  "if redis.call('LINDEX', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end redis.call('LSET', KEYS[1], ARGV[1], ARGV[3]) return redis.call('LREM', KEYS[1], 1, ARGV[3])";

/** @param {string} script @param {import('../bytes.js').Bytes} key @param {import('./collection.js').Item} item
 * @param {import('../bytes.js').Bytes} last */
async function change(script, key, item, last) {
  if (!(await call(['EVAL', `#!lua flags=declared-keys\n${script}`, 1, key, item.index, item.value, last])))
    throw new ReplyError(MOVED);
}

/** @type {import('./collection.js').Plan} */
const plan = {
  word: 'element',
  words: 'elements',
  columns: ['>Index', 'Element'],
  page: 100,
  count: async (key) => Number(await call(['LLEN', key])),
  load: async (key, next, _pattern, limit) => {
    const from = Number(next ?? 0),
      values = await call(['LRANGE', key, from, from + limit - 1]);
    const items = values.map((/** @type {any} */ value, /** @type {number} */ i) => ({
      cells: [String(from + i), value],
      index: from + i,
      value,
    }));
    return { items, next: values.length < limit ? null : from + limit };
  },
  addFields: () => [
    bytesField('value', 'Element', '', 4),
    {
      name: 'end',
      label: 'Where',
      options: [
        ['RPUSH', 'at the tail'],
        ['LPUSH', 'at the head'],
      ],
    },
  ],
  add: (key, { value, end }) => call([end, key, bytesOfField(value)]),
  editFields: ({ value }) => [bytesField('value', 'Element', value, 8)],
  edit: (key, item, { value }) => change(SET, key, item, bytesOfField(value)),
  remove: (key, item) => change(REMOVE, key, item, `removed-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`),
};

/** @type {import('./types.js').ValueType} */
export const list = { show: collectionView(plan), create: (key, _first, value) => ['RPUSH', key, unescape(value)] };
