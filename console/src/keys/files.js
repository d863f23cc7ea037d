// A string's value as a file: to keep, or to take another one's place. Whole, whatever its length.
import { call, fetchValue } from '../api.js';
import { display } from '../bytes.js';
import { formatBytes } from '../format.js';
import { ask, messageOf, notify } from '../ui/dialog.js';
import { button, h } from '../ui/dom.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */

/** A name that every file system takes. @param {Bytes} key */
const fileName = (key) => display(key, 80).replace(/[^\p{L}\p{N}._-]+/gu, '_') || 'value';

/** @param {Bytes} key */
async function download(key) {
  try {
    const address = URL.createObjectURL(await fetchValue(key)),
      link = h('a', { href: address, download: fileName(key) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  } catch (error) {
    notify(messageOf(error), 'bad');
  }
}

/** The time to live stays. @param {Bytes} key @param {File} file */
function replace(key, file) {
  return ask({
    title: 'Replace the value?',
    text: `By ${file.name}, ${formatBytes(file.size)}. The time to live stays.`,
    action: 'Replace',
    danger: true,
    act: async () => call(['SET', key, new Uint8Array(await file.arrayBuffer()), 'KEEPTTL']),
  });
}

/** Buttons. @param {Bytes} key @param {() => void} reload after another value has come */
export function fileTools(key, reload) {
  const input = h('input', {
    type: 'file',
    hidden: true,
    'aria-label': 'File with the new value',
    onchange: async () => {
      const file = input.files?.[0];
      input.value = '';
      if (file && (await replace(key, file))) {
        notify('Replaced');
        reload();
      }
    },
  });
  return h(
    'div',
    { class: 'file-tools' },
    input,
    button('download', 'Download', { onclick: () => download(key) }),
    button('upload', 'Replace…', { onclick: () => input.click() }),
  );
}
