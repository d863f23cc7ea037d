// The panels of the overview: where memory and time go, and what the server is.
import { percent, display } from '../bytes.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatExact,
  formatMicros,
  formatNumber,
  formatPercent,
} from '../format.js';
import { pairsOf, parseFamily } from '../info.js';
import { h } from '../ui/dom.js';
import { emptyState, errorState, table, typeBadge } from '../ui/parts.js';

/** @typedef {import('../sampler.js').Sampler} Sampler */

export const SHOWN = 8;

/** @param {import('../info.js').Info} info */
export function typesView(info) {
  const types = [...parseFamily(info, 'type_')]
    .sort((a, b) => b[1].bytes - a[1].bytes)
    .filter(([, type]) => type.keys > 0);
  if (!types.length) return emptyState('No keys yet', 'The first walk over the keys takes a few seconds.');
  const whole = types.reduce((sum, [, type]) => sum + type.bytes, 0);
  return h(
    'ul',
    { class: 'bars' },
    types.map(([name, type]) =>
      h(
        'li',
        {},
        h('span', { class: 'bar-name' }, typeBadge(name), h('span', { class: 'hint' }, formatNumber(type.keys, 'key'))),
        h(
          'span',
          { class: 'bar' },
          h('span', {
            class: `bar-fill type-${name}`,
            vars: { '--share': `${Math.max(0.5, (type.bytes * 100) / whole)}%` },
          }),
        ),
        h(
          'span',
          { class: 'bar-value' },
          formatBytes(type.bytes),
          h('span', { class: 'hint' }, formatPercent(type.bytes, whole)),
        ),
      ),
    ),
  );
}

/** @param {Sampler} sampler */
export function commandsView(sampler) {
  const before = parseFamily(sampler.infoBefore, 'cmdstat_');
  const rows = [...parseFamily(sampler.info, 'cmdstat_')]
    .map(([name, now]) => {
      const was = before.get(name),
        calls = Math.max(0, now.calls - (was?.calls ?? 0)),
        usec = now.usec - (was?.usec ?? 0);
      return { name, rate: calls / sampler.seconds, each: calls ? usec / calls : now.usec_per_call, total: now.calls };
    })
    .sort((a, b) => b.rate - a.rate || b.total - a.total)
    .slice(0, SHOWN);
  if (!rows.length) return emptyState('No commands yet');
  return table(
    'Commands',
    ['Command', '>per second', '>time per call', '>calls'],
    rows.map((row) => [
      h('code', {}, row.name.replace('|', ' ')),
      formatCount(row.rate),
      formatMicros(row.each),
      formatCount(row.total),
    ]),
  );
}

/** @param {import('../info.js').Info} info */
export function serverView(info) {
  const facts = [
    ['Version', `${info.tokamak_version ?? '?'}, as Redis ${info.redis_version ?? '?'}`],
    ['Running for', formatDuration(Number(info.uptime_in_seconds ?? 0))],
    ['Reactors, workers', `${info.io_threads ?? '?'}, ${info.worker_threads ?? '?'}`],
    [
      'Eviction',
      Number(info.maxmemory) ? `${info.maxmemory_policy} at ${formatBytes(Number(info.maxmemory))}` : 'no memory limit',
    ],
    ['Fragmentation', info.allocator_frag_ratio ?? '?'],
    ['Append-only file', info.aof_enabled === '1' ? `on, last write ${info.aof_last_write_status}` : 'off'],
    [
      'Snapshot',
      info.rdb_bgsave_in_progress === '1'
        ? 'being written'
        : `last ${info.rdb_last_bgsave_status}, ${formatCount(Number(info.rdb_changes_since_last_save ?? 0))} changes since`,
    ],
    ['Errors answered', formatExact(Number(info.total_error_replies ?? 0))],
    [
      'Expired, evicted',
      `${formatCount(Number(info.expired_keys ?? 0))}, ${formatCount(Number(info.evicted_keys ?? 0))}`,
    ],
    ['Refused connections', formatExact(Number(info.rejected_connections ?? 0))],
  ];
  return h(
    'dl',
    { class: 'facts' },
    facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );
}

/** @param {import('../bytes.js').Bytes} key @param {number} db */
function keyLink(key, db) {
  return h('a', { href: `#/keys/${db}/${percent(key)}`, class: 'mono clip' }, display(key, 60));
}

/** @param {any} reply */
export function hotView(reply) {
  if (reply instanceof Error) return errorState(reply);
  const all = pairsOf(Array.isArray(reply[0]) ? reply[0] : reply);
  const calls = all['by-calls'] ?? [],
    time = all['by-cpu-time-us'] ?? [];
  const list = calls.length ? calls : time,
    rows = [];
  for (let i = 0; i + 1 < list.length && rows.length < SHOWN; i += 2) rows.push([list[i], Number(list[i + 1])]);
  if (!rows.length)
    return emptyState('No hot keys', 'One command in 128 is looked at; under load the busiest keys appear here.');
  const most = rows[0][1] || 1;
  return h(
    'ol',
    { class: 'bars' },
    rows.map(([key, count]) =>
      h(
        'li',
        {},
        h('span', { class: 'bar-name' }, keyLink(key, 0)),
        h('span', { class: 'bar' }, h('span', { class: 'bar-fill', vars: { '--share': `${(count * 100) / most}%` } })),
        h('span', { class: 'bar-value' }, calls.length ? `${formatCount(count)} calls` : formatMicros(count)),
      ),
    ),
  );
}

/** @param {any} reply */
export function bigView(reply) {
  if (reply instanceof Error) return errorState(reply);
  const keys = reply.map(pairsOf);
  if (!keys.length) return emptyState('No big keys', 'Values of 4 KB and more are listed here.');
  return table(
    'Big keys',
    ['Key', 'Type', '>elements', '>size'],
    keys.map((/** @type {any} */ key) => [
      keyLink(key.key, key.db),
      typeBadge(key.type),
      key.type === 'string' || key.type === 'stream' ? '–' : formatCount(Number(key.elements)),
      formatBytes(Number(key.bytes)),
    ]),
  );
}

/** @param {any} reply */
export function slowView(reply) {
  if (reply instanceof Error) return errorState(reply);
  if (!reply.length) return emptyState('Nothing slow', 'Commands above slowlog-log-slower-than are listed here.');
  return table(
    'Slow log',
    ['Command', '>took', '>when'],
    reply.map((/** @type {any} */ [, seconds, micros, args]) => [
      h('code', { class: 'clip' }, args.map((/** @type {any} */ arg) => display(arg, 40)).join(' ')),
      formatMicros(micros),
      `${formatDuration(Math.max(1, Date.now() / 1000 - seconds))} ago`,
    ]),
  );
}
