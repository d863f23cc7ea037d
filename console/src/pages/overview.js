// The server at a glance: figures, charts, and where time and memory go.
import { pipeline } from '../api.js';
import { formatBytes, formatCount, formatExact, formatMicros, formatPercent } from '../format.js';
import { parseFamily } from '../info.js';
import { Chart } from '../ui/chart.js';
import { fill, h } from '../ui/dom.js';
import { emptyState, panel, repeat, tile } from '../ui/parts.js';
import { SHOWN, bigView, commandsView, hotView, serverView, slowView, typesView } from './overview_panels.js';

/** @typedef {import('../sampler.js').Sampler} Sampler */
/** @typedef {import('../sampler.js').SeriesName} SeriesName */

const LISTS_MS = 3000;
/** 1, 2, 5 … of each unit. */
const BYTE_STEPS = [1, 1024, 1024 ** 2, 1024 ** 3, 1024 ** 4].flatMap((unit) =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * unit),
);
const COUNT_STEPS = [1, 10, 100, 1000, 10000, 100000].flatMap((unit) => [1, 2, 5].map((n) => n * unit));

/** @typedef {{title: string, names: SeriesName[], lines: import('../ui/chart.js').Line[], scale: import('../ui/chart.js').Scale}} Plan */

/** @type {Plan[]} */
const CHARTS = [
  {
    title: 'Throughput',
    names: ['commands'],
    scale: { format: formatCount, least: 10 },
    lines: [{ label: 'commands/s', color: '--c1', fill: true }],
  },
  {
    title: 'Latency',
    names: ['p50', 'p99', 'p999'],
    scale: { format: formatMicros, least: 10 },
    lines: [
      { label: 'p50', color: '--c3' },
      { label: 'p99', color: '--c1' },
      { label: 'p99.9', color: '--c2' },
    ],
  },
  {
    title: 'Memory',
    names: ['used', 'rss'],
    scale: { format: formatBytes, least: 1 << 20, incrs: BYTE_STEPS },
    lines: [
      { label: 'used', color: '--c1', fill: true },
      { label: 'resident', color: '--c2' },
    ],
  },
  {
    title: 'Hit rate',
    names: ['hitRate'],
    scale: { format: (v) => `${Math.round(v)} %`, top: 105, incrs: [25, 50] },
    lines: [{ label: 'of lookups', color: '--c3', fill: true }],
  },
  {
    title: 'Network',
    names: ['bytesIn', 'bytesOut'],
    scale: { format: (v) => `${formatBytes(v)}/s`, least: 4096, incrs: BYTE_STEPS },
    lines: [
      { label: 'in', color: '--c1' },
      { label: 'out', color: '--c2' },
    ],
  },
  {
    title: 'Expired and evicted',
    names: ['expired', 'evicted'],
    scale: { format: formatCount, least: 10 },
    lines: [
      { label: 'expired/s', color: '--c3' },
      { label: 'evicted/s', color: '--c2' },
    ],
  },
  {
    title: 'Clients',
    names: ['clients', 'blocked'],
    scale: { format: formatCount, least: 5, incrs: COUNT_STEPS },
    lines: [
      { label: 'connected', color: '--c1' },
      { label: 'blocked', color: '--c2' },
    ],
  },
  {
    title: 'Processor',
    names: ['cpu'],
    scale: { format: (v) => `${Math.round(v)} %`, least: 20 },
    lines: [{ label: 'of one core', color: '--c4', fill: true }],
  },
];

/** @param {import('../main.js').Page} page */
export function showOverview({ root, signal, sampler }) {
  const tiles = h('div', { class: 'tiles' });
  const charts = CHARTS.map((plan) => new Chart(plan.title, plan.lines, plan.scale));
  const lists = ['Memory by type', 'Commands', 'Hot keys', 'Big keys', 'Slow log', 'Server'];
  const boxes = lists.map(() => h('div', { class: 'panel-body' }, h('p', { class: 'loading' }, 'Loading…')));
  fill(
    root,
    tiles,
    h(
      'div',
      { class: 'charts' },
      charts.map((chart) => chart.element),
    ),
    h(
      'div',
      { class: 'lists' },
      lists.map((title, i) => panel(title, note(title), boxes[i])),
    ),
  );
  const [types, commands, hot, big, slow, server] = boxes;

  const draw = () => {
    fill(tiles, overviewTiles(sampler));
    if (document.hidden) return;
    charts.forEach((chart, i) => chart.update(sampler.columns(CHARTS[i].names)));
    fill(types, typesView(sampler.info));
    fill(commands, commandsView(sampler));
    fill(server, serverView(sampler.info));
  };
  const redraw = () => charts.forEach((chart) => chart.draw());
  /** Whoever may not see the figures still sees the lists that he may. */
  const showState = () => {
    const refused = sampler.state === 'refused';
    root.classList.toggle('refused', refused);
    if (refused) for (const box of [types, commands, server]) fill(box, emptyState('Not permitted', sampler.problem));
  };
  sampler.addEventListener('sample', draw, { signal });
  sampler.addEventListener('state', showState, { signal });
  showState();
  document.addEventListener('themechange', redraw, { signal });
  signal.addEventListener('abort', () => charts.forEach((chart) => chart.destroy()));
  if (sampler.last('time') !== null) draw();
  else fill(tiles, emptyTiles());
  repeat(LISTS_MS, signal, async () => {
    const asked = [
      ['HOTKEYS', 'GET'],
      ['MEMORY', 'BIGKEYS', 'COUNT', SHOWN],
      ['SLOWLOG', 'GET', SHOWN],
    ];
    const [hotKeys, bigKeys, slowLog] = await pipeline(asked).catch((error) => [error, error, error]);
    fill(hot, hotView(hotKeys));
    fill(big, bigView(bigKeys));
    fill(slow, slowView(slowLog));
  });
}

/** @param {string} title */
function note(title) {
  const notes = /** @type {Record<string, string>} */ ({
    'Memory by type': 'estimated by a slow walk',
    Commands: 'last second',
    'Hot keys': 'sampled, recent first',
  });
  if (title === 'Slow log') return h('a', { href: '#/slowlog' }, 'All entries');
  return notes[title] && h('span', { class: 'hint' }, notes[title]);
}

function emptyTiles() {
  return ['Commands', 'Latency', 'Memory', 'Hit rate', 'Clients', 'Keys'].map((label) =>
    tile(label.toLowerCase(), label, '–', ' '),
  );
}

/** @param {Sampler} sampler */
function overviewTiles(sampler) {
  const { info } = sampler,
    n = (/** @type {string} */ field) => Number(info[field] ?? 0);
  const p99 = sampler.last('p99'),
    p50 = sampler.last('p50'),
    limit = n('maxmemory');
  const databases = [...parseFamily(info, /^db\d+$/).values()];
  const sum = (/** @type {string} */ part) => databases.reduce((all, db) => all + (db[part] ?? 0), 0);
  const lookups = n('keyspace_hits') + n('keyspace_misses'),
    now = sampler.last('hitRate');
  return [
    tile(
      'commands',
      'Commands',
      h('span', {}, formatCount(sampler.last('commands') ?? 0), h('small', {}, '/s')),
      `${formatCount(n('total_commands_processed'))} in all`,
    ),
    tile(
      'latency',
      'Latency p99',
      p99 === null ? 'idle' : formatMicros(p99),
      p50 === null ? 'no calls just now' : `p50 ${formatMicros(p50)}`,
    ),
    tile(
      'memory',
      'Memory',
      formatBytes(n('used_memory')),
      limit
        ? `${formatPercent(n('used_memory_data'), limit)} of ${formatBytes(limit)}`
        : `peak ${formatBytes(n('used_memory_peak'))}`,
    ),
    tile(
      'hits',
      'Hit rate',
      now === null ? formatPercent(n('keyspace_hits'), lookups) : `${now.toFixed(1)} %`,
      lookups ? `${formatCount(n('keyspace_misses'))} misses` : 'no lookups yet',
    ),
    tile(
      'clients',
      'Clients',
      formatExact(n('connected_clients')),
      n('blocked_clients') ? `${n('blocked_clients')} waiting` : `of ${formatCount(n('maxclients'))}`,
    ),
    tile('keys', 'Keys', formatCount(sum('keys')), `${formatCount(sum('expires'))} expire`),
  ];
}
