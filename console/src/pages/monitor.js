// MONITOR's tail: what everybody runs, as it runs.
import { keepEvents } from '../api.js';
import { display } from '../bytes.js';
import { formatExact, formatTime } from '../format.js';
import { POLL } from '../sampler.js';
import { messageOf, notify } from '../ui/dialog.js';
import { fill, h } from '../ui/dom.js';
import { emptyState, panel } from '../ui/parts.js';
import { Tail, tailTools } from '../ui/tail.js';

/** `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"` */
const LINE = /^(\d+\.\d+) \[(\d+) ([^\]]*)\] (.*)$/s;
const OWN = new Set(POLL.map((args) => args.map((arg) => `"${arg}"`).join(' ')));

/** @param {import('../main.js').Page} page */
export function showMonitor({ root, signal }) {
  const idle = emptyState(
    'Not watching',
    'MONITOR shows every command of every client, and slows a busy server down: stop it when you have seen enough.',
  );
  const tail = new Tail('Commands', idle);
  const count = h('span', { class: 'hint', role: 'status' });
  const own = h('input', { type: 'checkbox', id: 'hide-own', checked: true });
  const start = h('button', { type: 'button', class: 'button primary', onclick: toggle }, 'Start');
  /** @type {AbortController | null} */
  let watching = null;
  fill(
    root,
    panel(
      'Commands',
      [
        count,
        h('label', { class: 'check', for: 'hide-own' }, own, 'Hide the console’s own'),
        ...tailTools(tail),
        start,
      ],
      tail.element,
    ),
  );
  signal.addEventListener('abort', () => watching?.abort());

  async function toggle() {
    if (watching) return watching.abort();
    const stop = (watching = new AbortController());
    fill(start, 'Stop');
    start.classList.remove('primary');
    fill(idle, h('strong', {}, 'Watching'), h('p', {}, 'Nothing has run yet.'));
    try {
      await keepEvents(
        '/monitor',
        receive,
        stop.signal,
        () => fill(count, 'watching'),
        () => fill(count, 'connecting again…'),
      );
    } catch (error) {
      if (!stop.signal.aborted) notify(messageOf(error), 'bad');
    }
    watching = null;
    fill(start, 'Start');
    start.classList.add('primary');
    fill(count, `${formatExact(tail.count)} commands seen`);
  }

  /** @param {string} data */
  function receive(data) {
    const match = LINE.exec(data);
    if (!match) return; // the OK
    const [, time, db, client, command] = match;
    if (own.checked && OWN.has(command)) return;
    tail.add(
      h(
        'li',
        {},
        h('time', {}, formatTime(Number(time) * 1000)),
        h('span', { class: 'hint source' }, `${client} db ${db}`),
        h('span', { class: 'mono' }, display(command, 2000)),
      ),
    );
    fill(count, `${formatExact(tail.count)} commands`);
  }
}
