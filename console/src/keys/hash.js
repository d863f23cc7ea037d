// Hashes.
import { ReplyError, call } from '../api.js';
import { equalBytes, unescape } from '../bytes.js';
import { bytesField, bytesOfField, collectionView } from './collection.js';
import { hashExpiry } from './expiry.js';

/** @type {import('./collection.js').Plan} */
const plan = {
  word: 'field',
  words: 'fields',
  columns: ['Field', 'Value'],
  searches: true,
  page: 100,
  count: async (key) => Number(await call(['HLEN', key])),
  load: async (key, next, pattern, limit) => {
    const [cursor, flat] = await call(['HSCAN', key, next ?? '0', 'MATCH', unescape(pattern || '*'), 'COUNT', limit]);
    const items = [];
    for (let i = 0; i + 1 < flat.length; i += 2) items.push({ cells: [flat[i], flat[i + 1]] });
    return { items, next: String(cursor) === '0' ? null : cursor };
  },
  addFields: () => [bytesField('field', 'Field'), bytesField('value', 'Value', '', 5)],
  add: async (key, { field, value }) => {
    if (!(await call(['HSETNX', key, bytesOfField(field), bytesOfField(value)])))
      throw new ReplyError('There is a field of this name already.');
  },
  editFields: ({ cells: [field, value] }) => [
    bytesField('field', 'Field', /** @type {any} */ (field)),
    bytesField('value', 'Value', /** @type {any} */ (value), 8),
  ],
  edit: async (key, { cells }, values) => {
    const before = /** @type {import('../bytes.js').Bytes} */ (cells[0]),
      field = bytesOfField(values.field);
    const keep = ['HSETEX', key, 'KEEPTTL', 'FIELDS', 1, field, bytesOfField(values.value)];
    if (equalBytes(before, field)) return call(keep);
    if (!(await call(['HSETNX', key, field, bytesOfField(values.value)])))
      throw new ReplyError('There is a field of this name already.');
    return call(['HDEL', key, before]);
  },
  expiry: hashExpiry,
  nameIn: 'field',
  remove: (key, { cells: [field] }) => call(['HDEL', key, /** @type {any} */ (field)]),
};

/** @type {import('./types.js').ValueType} */
export const hash = {
  show: collectionView(plan),
  create: (key, first, value) => ['HSET', key, unescape(first), unescape(value)],
};
