// The slow log.
import { call, pipeline } from '../api.js';
import { display } from '../bytes.js';
import { formatDate, formatMicros, formatNumber } from '../format.js';
import { ask } from '../ui/dialog.js';
import { button, fill, h } from '../ui/dom.js';
import { emptyState, errorState, panel, repeat, table } from '../ui/parts.js';

const PERIOD_MS = 3000;
const SHOWN = 128;

/** @param {import('../main.js').Page} page */
export function showSlowlog({ root, signal }) {
  const body = h('div', { class: 'panel-body' }, h('p', { class: 'loading' }, 'Loading…')),
    limit = h('span', { class: 'hint' });
  const reset = button('trash', 'Forget all', {
    onclick: async () => {
      if (
        await ask({
          title: 'Forget all entries?',
          action: 'Forget',
          danger: true,
          act: () => call(['SLOWLOG', 'RESET']),
        })
      )
        await draw();
    },
  });
  fill(root, panel('Slow commands', [limit, reset], body));

  async function draw() {
    const [entries, config] = await pipeline([
      ['SLOWLOG', 'GET', SHOWN],
      ['CONFIG', 'GET', 'slowlog-log-slower-than'],
    ]).catch((error) => [error, error]);
    if (signal.aborted) return;
    fill(limit, config instanceof Error ? '' : limitText(Number(config[1])));
    fill(body, entries instanceof Error ? errorState(entries) : slowView(entries));
  }
  repeat(PERIOD_MS, signal, draw);
}

/** @param {number} micros */
function limitText(micros) {
  return micros < 0 ? 'switched off (slowlog-log-slower-than -1)' : `commands of ${formatMicros(micros)} and more`;
}

/** @param {any[]} entries */
function slowView(entries) {
  if (!entries.length)
    return emptyState('Nothing slow', 'Commands that take longer than slowlog-log-slower-than are kept here.');
  return h(
    'div',
    {},
    h('p', { class: 'hint status-line' }, formatNumber(entries.length, 'entry', 'entries')),
    table(
      'Slow commands',
      ['>#', 'When', '>took', 'Command', 'Client'],
      entries.map(([id, seconds, micros, args, client, name]) => [
        String(id),
        formatDate(seconds * 1000),
        formatMicros(micros),
        h('code', { class: 'wrap' }, args.map((/** @type {any} */ arg) => display(arg, 200)).join(' ')),
        h('span', { class: 'stack' }, String(client), name && h('span', { class: 'hint' }, display(name, 60))),
      ]),
    ),
  );
}
