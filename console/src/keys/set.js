// Sets.
import { ReplyError, call } from '../api.js';
import { equalBytes, unescape } from '../bytes.js';
import { bytesField, bytesOfField, collectionView } from './collection.js';
import { setExpiry } from './expiry.js';

/** @param {import('../bytes.js').Bytes} key @param {string} text */
async function add(key, text) {
  if (!(await call(['SADD', key, bytesOfField(text)]))) throw new ReplyError('It is a member already.');
}

/** @type {import('./collection.js').Plan} */
const plan = {
  word: 'member',
  words: 'members',
  columns: ['Member'],
  searches: true,
  page: 200,
  count: async (key) => Number(await call(['SCARD', key])),
  load: async (key, next, pattern, limit) => {
    const [cursor, members] = await call([
      'SSCAN',
      key,
      next ?? '0',
      'MATCH',
      unescape(pattern || '*'),
      'COUNT',
      limit,
    ]);
    return {
      items: members.map((/** @type {any} */ member) => ({ cells: [member] })),
      next: String(cursor) === '0' ? null : cursor,
    };
  },
  addFields: () => [bytesField('member', 'Member', '', 4)],
  add: (key, { member }) => add(key, member),
  editFields: ({ cells: [member] }) => [bytesField('member', 'Member', /** @type {any} */ (member), 4)],
  edit: async (key, { cells }, { member }) => {
    const before = /** @type {import('../bytes.js').Bytes} */ (cells[0]);
    if (equalBytes(before, bytesOfField(member))) return;
    await add(key, member);
    await call(['SREM', key, before]);
  },
  expiry: setExpiry,
  nameIn: 'member',
  remove: (key, { cells: [member] }) => call(['SREM', key, /** @type {any} */ (member)]),
};

/** @type {import('./types.js').ValueType} */
export const set = { show: collectionView(plan), create: (key, _first, value) => ['SADD', key, unescape(value)] };
