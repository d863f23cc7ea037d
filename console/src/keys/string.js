// Strings.
import { ReplyError, call } from '../api.js';
import { byteLength, equalBytes, unescape } from '../bytes.js';
import { formatExact } from '../format.js';
import { messageOf, notify } from '../ui/dialog.js';
import { fill, h } from '../ui/dom.js';
import { errorState } from '../ui/parts.js';
import { BytesEditor } from './editor.js';
import { fileTools } from './files.js';
import { showWindows } from './window.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */

const EDITED_MAX = 512 * 1024; // bytes

/** @type {import('./types.js').ValueType} */
export const string = { show, create: (key, _first, value) => ['SET', key, unescape(value), 'NX'] };

/** @param {HTMLElement} root @param {Bytes} key @param {import('./types.js').ViewContext} context */
async function show(root, key, context) {
  const reload = () => {
    context.refresh();
    show(root, key, context);
  };
  try {
    const length = Number(await call(['STRLEN', key])),
      value = h('div', {});
    if (length > EDITED_MAX) await showWindows(value, key, length, context.signal);
    else await edit(value, key, context);
    if (!context.signal.aborted) fill(root, value, fileTools(key, reload));
  } catch (error) {
    if (!context.signal.aborted) fill(root, errorState(error));
  }
}

/** @param {HTMLElement} root @param {Bytes} key @param {import('./types.js').ViewContext} context */
async function edit(root, key, context) {
  // The digest first: if the value changes in between, saving is refused, not the change lost.
  const digest = await call(['DIGEST', key]);
  fill(root, editView(key, (await call(['GET', key])) ?? '', digest, context));
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
