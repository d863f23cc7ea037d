// What several pages are made of.
import { ReplyError } from '../api.js';
import { formatDuration } from '../format.js';
import { fill, h } from './dom.js';
import { messageOf } from './dialog.js';

/** @typedef {import('./dom.js').Child} Child */
/** @typedef {import('./dom.js').IconName} IconName */

/** @param {string} title @param {Child | Child[]} tools @param {...Child} body */
export function panel(title, tools, ...body) {
  return h(
    'section',
    { class: 'panel', 'aria-label': title },
    h('header', { class: 'panel-head' }, h('h2', {}, title), h('div', { class: 'tools' }, tools)),
    body,
  );
}

/** @param {string} title @param {Child} [text] @param {Child} [action] */
export function emptyState(title, text, action) {
  return h('div', { class: 'empty' }, h('strong', {}, title), text && h('p', {}, text), action);
}

/** @param {unknown} error */
export function errorState(error) {
  if (error instanceof ReplyError && error.code === 'NOPERM')
    return emptyState('Not permitted', error.message.slice('NOPERM '.length));
  return h(
    'div',
    { class: 'empty error', role: 'alert' },
    h('strong', {}, 'That did not work'),
    h('p', {}, messageOf(error)),
  );
}

/** A table that scrolls sideways in itself when it is too wide. Columns that start with > hold numbers.
 * @param {string} caption @param {string[]} columns @param {Child[][]} rows */
export function table(caption, columns, rows) {
  const classes = columns.map((name) => (name.startsWith('>') ? 'number' : null));
  const titles = columns.map((name) => name.replace(/^>/, ''));
  return h(
    'div',
    { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          titles.map((title, i) =>
            h('th', { scope: 'col', class: classes[i] }, title || h('span', { class: 'hidden' }, 'Actions')),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((cells) =>
          h(
            'tr',
            {},
            cells.map((cell, i) => h('td', { class: classes[i] }, cell)),
          ),
        ),
      ),
    ),
  );
}

/** @param {string} type */
export function typeBadge(type) {
  return h('span', { class: `badge type-${/^[a-z]+$/.test(type) ? type : 'other'}` }, type);
}

/** @param {string} key @param {string} label @param {Child} value @param {Child} [note] */
export function tile(key, label, value, note) {
  return h(
    'div',
    { class: 'tile', 'data-tile': key },
    h('span', { class: 'tile-label' }, label),
    h('span', { class: 'tile-value' }, value),
    h('span', { class: 'tile-note' }, note),
  );
}

/** A time that runs out: how much is left of it, and an element that shows it as long as it is on the page. */
export class Countdown {
  /** @param {number} ms */
  constructor(ms) {
    this.until = performance.now() + ms;
    this.element = h('span', { class: 'countdown' });
    this.show();
    const timer = setInterval(() => (this.element.isConnected ? this.show() : clearInterval(timer)), 1000);
  }

  left() {
    return Math.max(0, Math.round(this.until - performance.now()));
  }

  show() {
    const left = this.left();
    fill(this.element, left ? formatDuration(Math.ceil(left / 1000)) : 'expired');
  }
}

/** Runs `step` now and every `ms` while the signal lasts and the page is seen.
 * @param {number} ms @param {AbortSignal} signal @param {() => Promise<void>} step */
export async function repeat(ms, signal, step) {
  while (!signal.aborted) {
    if (!document.hidden) await step();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve(null);
        },
        { once: true },
      );
    });
  }
}
