// Who is connected.
import { call } from '../api.js';
import { display } from '../bytes.js';
import { formatBytes, formatDuration, formatNumber } from '../format.js';
import { ask } from '../ui/dialog.js';
import { fill, h, iconButton } from '../ui/dom.js';
import { emptyState, errorState, panel, repeat, table } from '../ui/parts.js';

const PERIOD_MS = 2000;
const SHOWN = 300;

/** @param {string} text lines of name=value, separated by spaces @returns {Record<string, string>[]} */
function parseClients(text) {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => Object.fromEntries(Array.from(line.matchAll(/(\S+?)=(\S*)/g), ([, name, value]) => [name, value])));
}

/** @param {import('../main.js').Page} page */
export function showClients({ root, signal }) {
  const body = h('div', { class: 'panel-body' }, h('p', { class: 'loading' }, 'Loading…')),
    count = h('span', { class: 'hint', role: 'status' });
  const filter = h('input', {
    type: 'search',
    class: 'small',
    'aria-label': 'Show only clients with',
    placeholder: 'Filter',
    oninput: () => draw(),
  });
  fill(root, panel('Connected clients', [count, filter], body));

  async function draw() {
    try {
      const all = parseClients(String(await call(['CLIENT', 'LIST'])));
      if (signal.aborted) return;
      const needle = filter.value.toLowerCase(),
        found = all.filter((each) => Object.values(each).join(' ').toLowerCase().includes(needle));
      fill(count, formatNumber(all.length, 'client'));
      const focused = document.activeElement?.getAttribute('data-client');
      fill(body, clientsView(found, draw));
      if (focused)
        /** @type {HTMLElement | null} */ (body.querySelector(`[data-client="${CSS.escape(focused)}"]`))?.focus();
    } catch (error) {
      fill(body, errorState(error));
    }
  }
  repeat(PERIOD_MS, signal, draw);
}

/** @param {Record<string, string>[]} clients @param {() => void} changed */
function clientsView(clients, changed) {
  if (!clients.length) return emptyState('No client matches');
  const named = clients.some((client) => client.name);
  return table(
    'Connected clients',
    ['Address', ...(named ? ['Name'] : []), 'User', '>DB', 'Last command', '>idle', '>connected for', '>memory', ''],
    clients.slice(0, SHOWN).map((client) => [
      h('span', { class: 'mono' }, client.addr),
      ...(named ? [display(client.name ?? '', 40)] : []),
      client.user,
      client.db,
      h('code', {}, client.cmd === 'NULL' ? '–' : (client.cmd ?? '').replace('|', ' ')),
      Number(client.idle) ? formatDuration(Number(client.idle)) : 'now',
      formatDuration(Number(client.age)),
      formatBytes(Number(client['tot-mem'] ?? 0)),
      iconButton('close', `Close the connection of ${client.addr}`, {
        'data-client': client.id,
        onclick: async () => {
          if (
            await ask({
              title: 'Close this connection?',
              text: `${client.addr} ${client.name ?? ''}`,
              action: 'Close it',
              danger: true,
              act: () => call(['CLIENT', 'KILL', 'ID', client.id]),
            })
          )
            changed();
        },
      }),
    ]),
  );
}
