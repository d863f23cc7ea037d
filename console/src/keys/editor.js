// A field for bytes: as text when that can hold them, else with escapes.
import { escape, isPlain, unescape } from '../bytes.js';
import { fill, h } from '../ui/dom.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */
/** @typedef {'text' | 'escaped' | 'json'} Mode */

let count = 0;

/** @param {Bytes} value @returns {string | null} indented; null: it is no JSON */
function prettyJson(value) {
  if (!isPlain(value) || !/^\s*[[{]/.test(value)) return null;
  try {
    const parsed = JSON.parse(value),
      tokens = value.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? [];
    // Numbers beyond 2^53 and names given twice would change: then it is shown as it is.
    return JSON.stringify(parsed) === tokens.join('') ? JSON.stringify(parsed, null, 2) : null;
  } catch {
    return null;
  }
}

export class BytesEditor {
  /** @param {string} label @param {Bytes} value @param {{rows?: number, readOnly?: boolean}} [options] */
  constructor(label, value, { rows = 12, readOnly = false } = {}) {
    const id = `bytes-${++count}`;
    this.value = value;
    this.area = h('textarea', {
      id,
      rows,
      class: 'mono editor',
      spellcheck: 'false',
      autocapitalize: 'off',
      autocomplete: 'off',
      readonly: readOnly,
    });
    this.modes = h('select', {
      'aria-label': `Form of ${label}`,
      onchange: () => this.switch(/** @type {Mode} */ (this.modes.value)),
    });
    this.note = h('span', { class: 'hint' });
    this.element = h(
      'div',
      { class: 'field bytes-field' },
      h('div', { class: 'field-head' }, h('label', { for: id }, label), this.note, this.modes),
      this.area,
    );
    this.load(value);
  }

  /** @param {Bytes} value */
  load(value) {
    const json = prettyJson(value),
      plain = isPlain(value);
    this.value = value;
    const options = [plain && ['text', 'Text'], json !== null && ['json', 'JSON'], ['escaped', 'Escaped']].filter(
      Boolean,
    );
    fill(
      this.modes,
      /** @type {string[][]} */ (options).map(([mode, name]) => h('option', { value: mode }, name)),
    );
    this.set(plain ? 'text' : 'escaped');
  }

  /** @param {Mode} mode */
  set(mode) {
    this.mode = mode;
    this.modes.value = mode;
    if (mode === 'json') this.shown = /** @type {string} */ (prettyJson(this.value));
    else this.shown = mode === 'text' ? /** @type {string} */ (this.value) : escape(this.value);
    this.area.value = this.shown;
    fill(this.note, mode === 'escaped' ? '\\n, \\x00, \\\\ stand for bytes' : '');
  }

  /** Takes along what was edited, if the other form can show it. @param {Mode} mode */
  switch(mode) {
    const before = /** @type {Mode} */ (this.mode);
    try {
      const value = this.read();
      if (mode === 'json' ? prettyJson(value) === null : mode === 'text' && !isPlain(value))
        throw new Error('not in this form');
      this.value = value;
      this.set(mode);
    } catch {
      this.modes.value = before;
    }
  }

  /** What stands there has been saved. @param {Bytes} value */
  keep(value) {
    this.value = value;
    this.shown = this.area.value;
  }

  /** What stands there, as bytes; what was not touched is exactly what was loaded. @returns {Bytes} */
  read() {
    if (this.area.value === this.shown) return this.value;
    return this.mode === 'escaped' ? unescape(this.area.value) : this.area.value;
  }
}
