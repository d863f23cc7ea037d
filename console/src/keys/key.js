// One key: its head, with what holds for every type, and the view of its type.
import { ReplyError, call, pipeline } from '../api.js';
import { byteLength, display, escape, unescape } from '../bytes.js';
import { formatBytes, formatExact } from '../format.js';
import { ask, notify } from '../ui/dialog.js';
import { button, fill, h, iconButton } from '../ui/dom.js';
import { Countdown, emptyState, errorState, typeBadge } from '../ui/parts.js';
import { TYPES } from './types.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */

const NAME_SHOWN = 150; // characters without scrolling, even on a phone
const NAME_MAX = 4000; // characters

/** `changed` is called with the name when the key has another, and with null when it is gone.
 * @typedef {{changed: (key: Bytes | null) => void, signal: AbortSignal}} KeyContext */

/** @param {HTMLElement} root @param {Bytes} key @param {KeyContext} context */
export async function showKey(root, key, context) {
  const head = h('header', { class: 'key-head' }),
    body = h('div', { class: 'key-body' }, h('p', { class: 'loading' }, 'Loading…'));
  const refreshHead = () => showHead(head, key, context, reload);
  const reload = () => showKey(root, key, context);
  fill(root, head, body);
  try {
    const type = await refreshHead();
    if (context.signal.aborted) return;
    const kind = TYPES[type];
    if (type === 'none')
      fill(body, emptyState('This key does not exist', 'It has expired, or somebody has deleted it.'));
    else if (kind) kind.show(body, key, { signal: context.signal, refresh: refreshHead, changed: context.changed });
    else fill(body, emptyState(`Values of the type ${type} cannot be shown here`));
  } catch (error) {
    if (!context.signal.aborted) fill(body, errorState(error));
  }
}

/** @param {unknown} reply */
const valid = (reply) => (reply instanceof Error ? null : reply);

/** @param {HTMLElement} head @param {Bytes} key @param {KeyContext} context @param {() => void} reload
 * @returns {Promise<string>} the type */
async function showHead(head, key, context, reload) {
  const [type, pttl, encoding, memory] = await pipeline([
    ['TYPE', key],
    ['PTTL', key],
    ['OBJECT', 'ENCODING', key],
    ['MEMORY', 'USAGE', key],
  ]);
  if (type instanceof Error) throw type;
  if (context.signal.aborted) return String(type);
  const ttl = Number(valid(pttl) ?? -1),
    countdown = ttl < 0 ? null : new Countdown(ttl);
  const facts = [
    valid(encoding) && String(encoding),
    valid(memory) !== null && `${formatBytes(Number(memory))} in memory`,
    `${formatExact(byteLength(key))} bytes of name`,
  ]
    .filter(Boolean)
    .join(' · ');
  const there = type !== 'none';
  fill(
    head,
    h(
      'div',
      { class: 'key-name' },
      h(
        'a',
        { href: '#/keys', class: 'icon-button back', 'aria-label': 'Back to the list', onclick: back },
        iconText('‹'),
      ),
      there && typeBadge(String(type)),
      h('h2', { class: 'mono', tabindex: byteLength(key) > NAME_SHOWN ? '0' : null }, display(key, NAME_MAX) || h('i', {}, 'empty name')),
      iconButton('refresh', 'Load again', { class: 'refresh', onclick: reload }),
    ),
    there && h('p', { class: 'hint' }, facts),
    there &&
      h(
        'div',
        { class: 'key-actions' },
        h(
          'button',
          {
            type: 'button',
            class: 'button ttl-button',
            onclick: () => editTtl(key, countdown ? countdown.left() : -1).then((done) => done && reload()),
          },
          countdown ? h('span', {}, 'Expires in ', countdown.element) : 'No expiry',
        ),
        button('edit', 'Rename', { onclick: () => rename(key, context) }),
        button('trash', 'Delete', { class: 'danger-text', onclick: () => remove(key, context) }),
      ),
  );
  return String(type);
}

/** @param {string} text */
const iconText = (text) => h('span', { 'aria-hidden': 'true' }, text);

/** @param {Event} event */
function back(event) {
  event.preventDefault();
  location.hash = location.hash.split('/').slice(0, 3).join('/');
}

/** @param {Bytes} key @param {number} ttl in milliseconds; < 0: none */
function editTtl(key, ttl) {
  return ask({
    title: 'Time to live',
    action: 'Set',
    fields: [
      {
        name: 'seconds',
        label: 'Seconds from now',
        type: 'number',
        min: 0,
        step: 'any',
        value: ttl < 0 ? '' : String(ttl / 1000),
        hint: 'Empty: the key stays for ever.',
      },
    ],
    act: async ({ seconds }) => {
      if (seconds === '') return call(['PERSIST', key]);
      const ms = Math.round(Number(seconds) * 1000);
      if (!(ms > 0)) throw new ReplyError('The time must be more than 0; to remove the key, delete it.');
      if (!(await call(['PEXPIRE', key, ms]))) throw new ReplyError('The key is gone.');
    },
  });
}

/** @param {Bytes} key @param {KeyContext} context */
async function rename(key, context) {
  let name = key;
  const done = await ask({
    title: 'Rename the key',
    action: 'Rename',
    fields: [
      {
        name: 'name',
        label: 'New name',
        value: escape(key),
        required: true,
        hint: 'Escapes as \\n, \\x00, \\\\ stand for bytes. A key that exists is not overwritten.',
      },
    ],
    act: async (values) => {
      name = unescape(values.name);
      if (!(await call(['RENAMENX', key, name]))) throw new ReplyError('There is a key of this name already.');
    },
  });
  if (done) context.changed(name);
}

/** @param {Bytes} key @param {KeyContext} context */
async function remove(key, context) {
  const done = await ask({
    title: 'Delete the key?',
    text: display(key, 200),
    action: 'Delete',
    danger: true,
    act: () => call(['UNLINK', key]),
  });
  if (!done) return;
  notify('Deleted');
  context.changed(null);
}
