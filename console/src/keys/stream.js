// Streams, the newest entry first. Entries do not change: they are added and deleted.
import { call, pipeline } from '../api.js';
import { display, unescape } from '../bytes.js';
import { formatDate, formatExact } from '../format.js';
import { pairsOf } from '../info.js';
import { h } from '../ui/dom.js';
import { table } from '../ui/parts.js';
import { bytesField, bytesOfField, collectionView } from './collection.js';

/** @param {any[]} fields */
function fieldsView(fields) {
  const rows = [];
  for (let i = 0; i + 1 < fields.length; i += 2)
    rows.push(
      h(
        'div',
        {},
        h('dt', { class: 'mono' }, display(fields[i], 100)),
        h('dd', { class: 'mono' }, display(fields[i + 1], 300)),
      ),
    );
  return h('dl', { class: 'entry-fields' }, rows);
}

/** @param {string} id */
function idView(id) {
  return h(
    'span',
    { class: 'stack' },
    h('span', { class: 'mono' }, id),
    h('span', { class: 'hint' }, formatDate(Number(id.split('-')[0]))),
  );
}

/** "field value" lines @param {string} text */
function parseLines(text) {
  return text
    .split('\n')
    .filter((line) => line.trim())
    .flatMap((line) => {
      const mark = line.indexOf(' ');
      return mark < 0
        ? [bytesOfField(line), '']
        : [bytesOfField(line.slice(0, mark)), bytesOfField(line.slice(mark + 1))];
    });
}

/** @type {import('./collection.js').Plan} */
const plan = {
  word: 'entry',
  words: 'entries',
  columns: ['Entry', 'Fields'],
  page: 50,
  count: async (key) => Number(await call(['XLEN', key])),
  load: async (key, next, _pattern, limit) => {
    const entries = await call(['XREVRANGE', key, next ?? '+', '-', 'COUNT', limit]);
    const items = entries.map((/** @type {any} */ [id, fields]) => ({
      cells: [idView(String(id)), fieldsView(fields ?? [])],
      id: String(id),
    }));
    return { items, next: items.length < limit ? null : `(${items[items.length - 1].id}` };
  },
  addFields: () => [
    {
      ...bytesField('fields', 'Fields', '', 5),
      hint: 'A line per field: its name, a space, its value.',
      required: true,
    },
  ],
  add: (key, { fields }) => call(['XADD', key, '*', ...parseLines(fields)]),
  remove: (key, { id }) => call(['XDEL', key, id]),
  extra: async (key) => {
    const [groups] = await pipeline([['XINFO', 'GROUPS', key]]);
    if (groups instanceof Error || !groups.length) return null;
    return h(
      'div',
      { class: 'stream-groups' },
      h('h3', {}, 'Consumer groups'),
      table(
        'Consumer groups',
        ['Group', '>Consumers', '>Pending', 'Last delivered', '>Lag'],
        groups
          .map(pairsOf)
          .map((/** @type {any} */ group) => [
            h('span', { class: 'mono' }, display(group.name, 100)),
            formatExact(group.consumers),
            formatExact(group.pending),
            h('span', { class: 'mono' }, String(group['last-delivered-id'])),
            group.lag === null ? '?' : formatExact(group.lag),
          ]),
      ),
    );
  },
};

/** @type {import('./types.js').ValueType} */
export const stream = {
  show: collectionView(plan),
  create: (key, first, value) => ['XADD', key, '*', unescape(first || 'field'), unescape(value)],
};
