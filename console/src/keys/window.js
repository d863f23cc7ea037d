// A string that is too long for an editor: a part of it at a time.
import { call } from '../api.js';
import { fromRaw, toRaw } from '../bytes.js';
import { formatBytes, formatExact } from '../format.js';
import { fill, h } from '../ui/dom.js';
import { errorState } from '../ui/parts.js';
import { BytesEditor } from './editor.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */

const WINDOW = 64 * 1024; // bytes
const CHARACTER_MAX = 4; // bytes of one in UTF-8

/** The part without the halves of characters at its ends, when it is a text otherwise. @param {Bytes} part */
function wholeCharacters(part) {
  const raw = toRaw(part);
  for (let head = 0; head < CHARACTER_MAX; head++)
    for (let tail = 0; tail < CHARACTER_MAX; tail++) {
      const text = fromRaw(raw.subarray(head, Math.max(head, raw.length - tail)));
      if (typeof text === 'string') return text;
    }
  return part;
}

/** @param {HTMLElement} root @param {Bytes} key @param {number} length @param {AbortSignal} signal */
export function showWindows(root, key, length, signal) {
  const last = Math.floor((length - 1) / WINDOW) * WINDOW;
  const value = h('div', {});
  const place = h('span', { class: 'hint', role: 'status' });
  const offset = h('input', {
    type: 'number',
    class: 'small',
    'aria-label': 'First byte',
    min: 0,
    max: length - 1,
    onchange: () => go(Number(offset.value)),
  });
  /** @param {string} text @param {string} label @param {() => number} to */
  const step = (text, label, to) =>
    h('button', { type: 'button', class: 'button', 'aria-label': label, onclick: () => go(to()) }, text);
  const back = [step('⇤', 'To the beginning', () => 0), step('←', 'Back', () => from - WINDOW)],
    forth = [step('→', 'On', () => from + WINDOW), step('⇥', 'To the end', () => last)];
  let from = 0;

  /** @param {number} to */
  async function go(to) {
    from = Math.min(Math.max(0, Math.floor(to) || 0), length - 1);
    const asked = from;
    try {
      const part = await call(['GETRANGE', key, from, from + WINDOW - 1]);
      if (signal.aborted || asked !== from) return;
      fill(value, new BytesEditor('Value', wholeCharacters(part), { readOnly: true, rows: 24 }).element);
      fill(place, `Bytes ${formatExact(from)} to ${formatExact(from + toRaw(part).length)} of ${formatBytes(length)}`);
    } catch (error) {
      if (!signal.aborted) fill(value, errorState(error));
    }
    offset.value = String(from);
    for (const each of back) each.disabled = from === 0;
    for (const each of forth) each.disabled = from >= last;
  }
  fill(
    root,
    h('div', { class: 'window-tools' }, place, ...back, offset, ...forth),
    value,
    h('p', { class: 'hint' }, 'Too long to be edited here: download it, or put a file in its place.'),
  );
  return go(0);
}
