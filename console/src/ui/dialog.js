// Dialogs and short notices.
import { fill, h, iconButton } from './dom.js';

/** @typedef {{name: string, label: string, value?: string, type?: string, options?: [string, string][],
 *   rows?: number, hint?: string, required?: boolean, placeholder?: string, min?: number, step?: string}} Field */

let fieldCount = 0;

/** @param {Field} field @returns {HTMLElement} */
export function fieldElement(field) {
  const id = `field-${++fieldCount}`;
  const common = {
    id,
    name: field.name,
    required: field.required,
    placeholder: field.placeholder,
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'off',
    'aria-describedby': field.hint ? `${id}-hint` : null,
  };
  let input;
  if (field.options) {
    input = h(
      'select',
      common,
      field.options.map(([value, text]) => h('option', { value, selected: value === field.value }, text)),
    );
  } else if (field.rows) {
    input = h('textarea', { ...common, rows: field.rows, value: field.value ?? '', class: 'mono' });
  } else {
    input = h('input', {
      ...common,
      type: field.type ?? 'text',
      value: field.value ?? '',
      min: field.min,
      step: field.step,
    });
  }
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, field.label),
    input,
    field.hint && h('p', { class: 'hint', id: `${id}-hint` }, field.hint),
  );
}

/** @param {HTMLFormElement} form @returns {Record<string, string>} */
export function formValues(form) {
  return Object.fromEntries(
    Array.from(new FormData(form), ([name, value]) => [name, String(value).replaceAll('\r\n', '\n')]),
  );
}

/** Asks, and acts: stays open with the error when `act` throws. Resolves when it is closed: whether it acted.
 * @param {{title: string, text?: string, fields?: Field[], action: string, danger?: boolean,
 *   act: (values: Record<string, string>) => Promise<unknown>}} options @returns {Promise<boolean>} */
export function ask(options) {
  const error = h('p', { class: 'form-error', role: 'alert' });
  const submit = h(
    'button',
    { type: 'submit', class: `button ${options.danger ? 'danger' : 'primary'}` },
    options.action,
  );
  const close = () => dialog.close();
  const form = h(
    'form',
    { onsubmit: run },
    h('header', {}, h('h2', {}, options.title), iconButton('close', 'Close', { onclick: close })),
    options.text && h('p', { class: 'dialog-text' }, options.text),
    (options.fields ?? []).map(fieldElement),
    error,
    h('footer', {}, h('button', { type: 'button', class: 'button', onclick: close }, 'Cancel'), submit),
  );
  const dialog = h('dialog', { class: 'dialog', 'aria-label': options.title }, form);
  let acted = false;

  /** @param {SubmitEvent} event */
  async function run(event) {
    event.preventDefault();
    submit.disabled = true;
    try {
      await options.act(formValues(form));
      acted = true;
      dialog.close();
    } catch (problem) {
      fill(error, messageOf(problem));
    } finally {
      submit.disabled = false;
    }
  }
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(acted);
    });
  });
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

const NOTICE_MS = 4000;
const notices = h('div', { class: 'notices', role: 'status', 'aria-live': 'polite' });

/** @param {string} text @param {'good' | 'bad'} [kind] */
export function notify(text, kind = 'good') {
  if (!notices.isConnected) document.body.append(notices);
  const notice = h('div', { class: `notice ${kind}` }, text);
  notices.append(notice);
  setTimeout(() => notice.remove(), kind === 'bad' ? NOTICE_MS * 2 : NOTICE_MS);
}
