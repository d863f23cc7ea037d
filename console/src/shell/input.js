// The line of the shell: completion and hints out of COMMAND DOCS, and the history.
import { messageOf } from '../ui/dialog.js';
import { fill, h } from '../ui/dom.js';
import { complete, findDoc, loadDocs, remaining, syntax } from './docs.js';
import { splitLine } from './words.js';

const HISTORY = 'tokamak.history'; // of this tab: commands may hold secrets
const HISTORY_MAX = 200;
const CHOICES_MAX = 12;

/** @returns {string[]} */
function keptHistory() {
  try {
    return JSON.parse(sessionStorage.getItem(HISTORY) ?? '[]');
  } catch {
    return [];
  }
}

export class CommandInput {
  /** @param {() => void} onClear */
  constructor(onClear) {
    this.onClear = onClear;
    this.docs = new Map();
    this.history = keptHistory();
    this.at = this.history.length;
    this.draft = '';
    /** @type {{word: string, summary: string}[]} */
    this.choices = [];
    this.chosen = -1;
    this.ghost = h('span', { class: 'ghost', 'aria-hidden': 'true' });
    this.input = h('input', {
      type: 'text',
      class: 'mono',
      role: 'combobox',
      'aria-label': 'Command',
      'aria-autocomplete': 'list',
      'aria-expanded': 'false',
      'aria-controls': 'choices',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      enterkeyhint: 'go',
      placeholder: 'A command, as SET greeting hello',
      oninput: () => this.suggest(),
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
      onblur: () => this.close(),
    });
    this.element = h('span', { class: 'line-box' }, this.input, this.ghost);
    this.list = h('ul', {
      class: 'choices',
      id: 'choices',
      role: 'listbox',
      'aria-label': 'Completions',
      hidden: true,
    });
    this.hint = h('p', { class: 'shell-hint', 'aria-live': 'polite' });
  }

  async loadDocs() {
    try {
      this.docs = await loadDocs();
      this.suggest();
    } catch (error) {
      fill(this.hint, `No completion: ${messageOf(error)}`);
    }
  }

  /** The line, which is remembered; the next begins. */
  take() {
    const line = this.input.value;
    this.input.value = '';
    this.close();
    if (line.trim()) this.remember(line);
    this.suggest();
    return line;
  }

  /** The words in front of the one at the end, and that one. */
  parts() {
    const { words, open } = splitLine(this.input.value),
      all = words.map(String);
    return open ? { full: all.slice(0, -1), prefix: all[all.length - 1] ?? '' } : { full: all, prefix: '' };
  }

  suggest() {
    const { full, prefix } = this.parts();
    const found = complete(this.docs, full, prefix);
    this.choices = found.length === 1 && found[0].word === prefix.toUpperCase() ? [] : found.slice(0, CHOICES_MAX);
    this.chosen = -1;
    this.showChoices();
    this.showHint([...full, ...(prefix ? [prefix] : [])]);
  }

  /** @param {string[]} words */
  showHint(words) {
    const found = findDoc(this.docs, words);
    if (!found) {
      fill(this.ghost);
      fill(this.hint, words.length ? ' ' : 'Tab completes, ↑ and ↓ go through the history, HELP <command> explains.');
      return;
    }
    const { doc, used } = found,
      typed = this.input.value;
    const rest = remaining(doc, Math.max(0, words.length - used));
    fill(this.ghost, h('span', { class: 'typed' }, typed), /\s$/.test(typed) ? rest : ` ${rest}`);
    fill(
      this.hint,
      h('code', {}, doc.name, ' ', h('span', {}, doc.args.map(syntax).join(' '))),
      h('span', {}, doc.summary),
    );
  }

  showChoices() {
    this.list.hidden = !this.choices.length;
    this.input.setAttribute('aria-expanded', String(this.choices.length > 0));
    fill(
      this.list,
      this.choices.map(({ word, summary }, i) =>
        h(
          'li',
          {
            id: `choice-${i}`,
            role: 'option',
            'aria-selected': String(i === this.chosen),
            onpointerdown: (/** @type {Event} */ e) => {
              e.preventDefault();
              this.choose(i);
            },
          },
          h('b', { class: 'mono' }, word),
          h('span', {}, summary),
        ),
      ),
    );
    if (this.chosen >= 0) this.input.setAttribute('aria-activedescendant', `choice-${this.chosen}`);
    else this.input.removeAttribute('aria-activedescendant');
  }

  close() {
    this.choices = [];
    this.showChoices();
  }

  /** Puts a completion in the place of what is typed of it. @param {number} index */
  choose(index) {
    const { prefix } = this.parts(),
      { value } = this.input;
    this.input.value = `${value.slice(0, value.length - prefix.length)}${this.choices[index].word} `;
    this.suggest();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key } = event,
      open = this.choices.length > 0;
    if (key === 'Tab' && open && !event.shiftKey) this.choose(Math.max(this.chosen, 0));
    else if (key === 'Enter' && open && this.chosen >= 0) this.choose(this.chosen);
    else if (key === 'Escape' && open) this.close();
    else if ((key === 'ArrowDown' || key === 'ArrowUp') && open) this.move(key === 'ArrowDown' ? 1 : -1);
    else if (key === 'ArrowUp') this.recall(-1);
    else if (key === 'ArrowDown') this.recall(1);
    else if (key === 'l' && event.ctrlKey) this.onClear();
    else return;
    event.preventDefault();
  }

  /** Among the completions. @param {number} step */
  move(step) {
    const count = this.choices.length;
    this.chosen = (this.chosen + step + count + (this.chosen < 0 && step < 0 ? 1 : 0)) % count;
    this.showChoices();
  }

  /** In the history. @param {number} step */
  recall(step) {
    if (this.at === this.history.length) this.draft = this.input.value;
    this.at = Math.min(Math.max(this.at + step, 0), this.history.length);
    this.input.value = this.history[this.at] ?? this.draft;
    this.suggest();
    this.close();
  }

  /** @param {string} line */
  remember(line) {
    if (this.history[this.history.length - 1] !== line) this.history.push(line);
    this.history = this.history.slice(-HISTORY_MAX);
    this.at = this.history.length;
    sessionStorage.setItem(
      HISTORY,
      JSON.stringify(
        this.history.filter((each) => !/^\s*(auth|hello|acl\s+setuser|config\s+set\s+\S*pass)/i.test(each)),
      ),
    );
  }
}
