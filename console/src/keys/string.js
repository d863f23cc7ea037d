// Strings.
import { ReplyError, call } from '../api.js';
import { byteLength, equalBytes, fromRaw, toRaw, unescape } from '../bytes.js';
import { formatExact, formatBytes } from '../format.js';
import { messageOf, notify } from '../ui/dialog.js';
import { fill, h } from '../ui/dom.js';
import { errorState } from '../ui/parts.js';
import { BytesEditor } from './editor.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */

const EDITED_MAX = 512 * 1024; // bytes; more is shown in part and cannot be edited
const SHOWN = 64 * 1024;

/** @type {import('./types.js').ValueType} */
export const string = { show, create: (key, _first, value) => ['SET', key, unescape(value), 'NX'] };

/** @param {HTMLElement} root @param {Bytes} key @param {import('./types.js').ViewContext} context */
async function show(root, key, context) {
  try {
    const length = Number(await call(['STRLEN', key]));
    const whole = length <= EDITED_MAX;
    // The digest first: if the value changes in between, saving is refused, not the change lost.
    const digest = whole ? await call(['DIGEST', key]) : null;
    const value = await call(whole ? ['GET', key] : ['GETRANGE', key, 0, SHOWN - 1]);
    if (context.signal.aborted) return;
    if (whole) fill(root, editView(key, value ?? '', digest, context));
    else
      fill(
        root,
        h(
          'p',
          { class: 'hint' },
          `${formatBytes(length)}: the first ${formatBytes(SHOWN)} are shown, and cannot be edited here.`,
        ),
        new BytesEditor('Value', wholeCharacters(value), { readOnly: true, rows: 24 }).element,
      );
  } catch (error) {
    fill(root, errorState(error));
  }
}

/** A part of a text may end inside of a character. @param {Bytes} value */
function wholeCharacters(value) {
  const raw = toRaw(value);
  for (let cut = 0; cut < 4; cut++) {
    const text = fromRaw(raw.slice(0, raw.length - cut));
    if (typeof text === 'string') return text;
  }
  return value;
}

/** @param {Bytes} key @param {Bytes} value @param {string} digest @param {import('./types.js').ViewContext} context */
function editView(key, value, digest, context) {
  const editor = new BytesEditor('Value', value);
  const size = h('span', { class: 'hint' }, `${formatExact(byteLength(value))} bytes`);
  const save = h('button', { type: 'submit', class: 'button primary' }, 'Save');

  /** Only if nobody else has written meanwhile; the time to live stays. */
  async function write() {
    const edited = editor.read();
    if ((await call(['SET', key, edited, 'IFDEQ', digest, 'KEEPTTL'])) === null)
      throw new ReplyError('Not saved: the value has changed meanwhile. Load it again.');
    const written = await call(['DIGEST', key]),
      now = await call(['GET', key]);
    if (now === null || !equalBytes(now, edited))
      throw new ReplyError('Saved, and then changed by somebody else. Load it again.');
    digest = written; // not before: what somebody else has written must not be overwritten unseen
    editor.keep(edited);
    fill(size, `${formatExact(byteLength(edited))} bytes`);
  }

  /** @param {SubmitEvent} event */
  async function run(event) {
    event.preventDefault();
    save.disabled = true;
    try {
      await write();
      notify('Saved');
      await context.refresh();
    } catch (error) {
      notify(messageOf(error), 'bad');
    } finally {
      save.disabled = false;
    }
  }
  return h(
    'form',
    { class: 'value-form', onsubmit: run },
    editor.element,
    h('div', { class: 'form-foot' }, size, save),
  );
}
