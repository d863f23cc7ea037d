// Sorted sets: by rank, or what ZSCAN finds.
import { ReplyError, call } from '../api.js';
import { equalBytes, unescape } from '../bytes.js';
import { bytesField, bytesOfField, collectionView } from './collection.js';
import { zsetExpiry } from './expiry.js';

// A member that is written anew lives for ever: it gets back what it had left.
const SET_SCORE =
  "local left = redis.call('ZPTTL', KEYS[1], 'MEMBERS', 1, ARGV[1])[1] redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1]) if left and left > 0 then redis.call('ZPEXPIRE', KEYS[1], left, 'MEMBERS', 1, ARGV[1]) end return 1";

/** @param {any[]} flat member, score, … */
function itemsOf(flat) {
  const items = [];
  for (let i = 0; i + 1 < flat.length; i += 2) items.push({ cells: [flat[i], String(flat[i + 1])] });
  return items;
}

/** @type {import('./collection.js').Plan} */
const plan = {
  word: 'member',
  words: 'members',
  columns: ['Member', '>Score'],
  searches: true,
  page: 100,
  count: async (key) => Number(await call(['ZCARD', key])),
  load: async (key, next, pattern, limit) => {
    if (pattern) {
      const [cursor, flat] = await call(['ZSCAN', key, next ?? '0', 'MATCH', unescape(pattern), 'COUNT', limit]);
      return { items: itemsOf(flat), next: String(cursor) === '0' ? null : cursor };
    }
    const from = Number(next ?? 0),
      items = itemsOf(await call(['ZRANGE', key, from, from + limit - 1, 'WITHSCORES']));
    return { items, next: items.length < limit ? null : from + limit };
  },
  addFields: () => [bytesField('member', 'Member'), { name: 'score', label: 'Score', value: '0', required: true }],
  add: async (key, { member, score }) => {
    if (!(await call(['ZADD', key, 'NX', score, bytesOfField(member)])))
      throw new ReplyError('It is a member already.');
  },
  editFields: ({ cells: [member, score] }) => [
    bytesField('member', 'Member', /** @type {any} */ (member)),
    { name: 'score', label: 'Score', value: String(score), required: true },
  ],
  edit: async (key, item, { member, score }) => {
    const before = /** @type {import('../bytes.js').Bytes} */ (item.cells[0]),
      now = bytesOfField(member);
    if (equalBytes(before, now) && !item.time) return call(['ZADD', key, 'XX', score, now]);
    if (equalBytes(before, now))
      return call(['EVAL', `#!lua flags=declared-keys\n${SET_SCORE}`, 1, key, now, score]);
    if (!(await call(['ZADD', key, 'NX', score, now]))) throw new ReplyError('There is such a member already.');
    return call(['ZREM', key, before]);
  },
  expiry: zsetExpiry,
  nameIn: 'member',
  remove: (key, { cells: [member] }) => call(['ZREM', key, /** @type {any} */ (member)]),
};

/** @type {import('./types.js').ValueType} */
export const zset = {
  show: collectionView(plan),
  create: (key, first, value) => ['ZADD', key, first || '0', unescape(value)],
};
